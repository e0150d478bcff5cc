"""The function's settings: environment variables, read when they are used and named in errors."""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from huitou.runtime.errors import ConfigurationError

# Variables the platform sets in every instance it runs; a laptop has none of them.
_PLATFORM_MARKS = ("TENCENTCLOUD_RUNENV", "SCF_NAMESPACE", "SCF_FUNCTIONNAME")


@dataclass(frozen=True, repr=False)
class WeChatPaySettings:
    """The merchant's account at WeChat Pay; keys are PEM texts, `platform_keys` are by serial.

    `appid` is the mini-program's. If the chain works through a provider (服务商), `mchid` and
    `sp_appid` are the provider's. A platform key is a public key or a certificate.
    """

    appid: str
    sp_appid: str
    mchid: str
    merchant_serial: str
    merchant_private_key: str
    api_v3_key: bytes
    platform_keys: Mapping[str, str]
    base_url: str
    notify_url: str


@dataclass(frozen=True, repr=False)
class CloudSettings:
    """The address and the credentials for calling other functions; `endpoint` is host[:port]."""

    namespace: str
    region: str
    endpoint: str
    protocol: str
    secret_id: str
    secret_key: str
    session_token: str | None


@dataclass(frozen=True, repr=False)
class StorageSettings:
    """The chain's bucket and its credentials; `url` doesn't contain the bucket's name."""

    bucket: str
    url: str
    region: str
    secret_id: str
    secret_key: str
    session_token: str | None


@dataclass(frozen=True, repr=False)
class Settings:
    """Typed access to the environment variables that `cloudbaserc.json` declares."""

    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def _required(self, name: str) -> str:
        value = self.variables.get(name, "")
        if not value:
            raise ConfigurationError(name, "is not set; cloudbaserc.json declares it")
        return value

    @property
    def mongodb_uri(self) -> str:
        return self._required("MONGODB_URI")

    @property
    def database_name(self) -> str:
        return self.variables.get("HUITOU_DATABASE") or "huitou"

    @property
    def brand_id(self) -> str:
        return self.variables.get("HUITOU_BRAND_ID") or "huitou"

    @property
    def internal_secret(self) -> bytes:
        """The secret with which timers, other functions and the CLI prove who they are."""
        secret = self._required("HUITOU_INTERNAL_SECRET").encode()
        if len(secret) < 32:
            raise ConfigurationError("HUITOU_INTERNAL_SECRET", "must have at least 32 characters")
        return secret

    @property
    def phone_key(self) -> bytes:
        """The key for hashing phone numbers; it must never change."""
        return self._required("HUITOU_PHONE_KEY").encode()

    @property
    def codes_key(self) -> bytes:
        """The key for making coupon codes; derived from `phone_key`, so it never changes."""
        return hmac.digest(self.phone_key, b"coupon codes", "sha256")

    @property
    def token_key(self) -> bytes:
        """The key for signing coupon tokens and making members' merge codes.

        If the internal secret is changed, the tokens that members hold at that moment end.
        """
        return hmac.digest(self.internal_secret, b"coupon tokens", "sha256")

    @property
    def clock_file(self) -> str | None:
        """The file of the local cloud's driven clock; None if time is real.

        On the platform it is refused: whoever sets the business date there could make money.
        """
        path = self.variables.get("HUITOU_CLOCK_FILE") or None
        if path and any(mark in self.variables for mark in _PLATFORM_MARKS):
            raise ConfigurationError("HUITOU_CLOCK_FILE", "is for the local cloud only")
        return path

    @property
    def wechat_appid(self) -> str:
        return self._required("WECHAT_APPID")

    @property
    def wechat_app_secret(self) -> str:
        return self._required("WECHAT_APP_SECRET")

    @property
    def wechat_api_url(self) -> str:
        return self.variables.get("WECHAT_API_URL") or "https://api.weixin.qq.com"

    @property
    def weather_key(self) -> str:
        """The chain's key for QWeather; only chains with a weather campaign need it."""
        return self._required("WEATHER_KEY")

    @property
    def weather_url(self) -> str:
        return self.variables.get("WEATHER_URL") or "https://devapi.qweather.com"

    @property
    def wechat_pay(self) -> WeChatPaySettings:
        """The merchant's account; `WECHAT_PAY_PLATFORM_KEYS` is a list `serial=PEM;serial=PEM`."""
        api_v3_key = self._required("WECHAT_PAY_API_V3_KEY").encode()
        if len(api_v3_key) != 32:
            raise ConfigurationError("WECHAT_PAY_API_V3_KEY", "must be 32 bytes")
        return WeChatPaySettings(
            appid=self.wechat_appid,
            sp_appid=self.variables.get("WECHAT_PAY_SP_APPID") or self.wechat_appid,
            mchid=self._required("WECHAT_PAY_MCHID"),
            merchant_serial=self._required("WECHAT_PAY_MERCHANT_SERIAL"),
            merchant_private_key=self._required("WECHAT_PAY_MERCHANT_KEY").replace("\\n", "\n"),
            api_v3_key=api_v3_key,
            platform_keys=self._platform_keys(),
            base_url=self.variables.get("WECHAT_PAY_URL") or "https://api.mch.weixin.qq.com",
            notify_url=self._required("WECHAT_PAY_NOTIFY_URL"),
        )

    def _platform_keys(self) -> dict[str, str]:
        name, keys = "WECHAT_PAY_PLATFORM_KEYS", {}
        for pair in self._required(name).split(";"):
            serial, _, pem = pair.strip().partition("=")
            if serial and "-----BEGIN" not in pem:
                raise ConfigurationError(name, "wants SERIAL=PEM, several joined by ;")
            if serial:
                keys[serial] = pem.replace("\\n", "\n")
        return keys

    @property
    def storage(self) -> StorageSettings:
        """Object storage; the credentials come from the function's role, as for `cloud`.

        `STORAGE_BUCKET` is `name-appid`.
        """
        region = self.variables.get("TENCENTCLOUD_REGION") or "ap-shanghai"
        return StorageSettings(
            bucket=self._required("STORAGE_BUCKET"),
            url=self.variables.get("STORAGE_URL") or f"https://cos.{region}.myqcloud.com",
            region=region,
            secret_id=self._required("TENCENTCLOUD_SECRETID"),
            secret_key=self._required("TENCENTCLOUD_SECRETKEY"),
            session_token=self.variables.get("TENCENTCLOUD_SESSIONTOKEN") or None,
        )

    @property
    def cloud(self) -> CloudSettings:
        """The platform's own API; on the platform the credentials come from the function's role."""
        return CloudSettings(
            namespace=self._required("TCB_ENV"),
            region=self.variables.get("TENCENTCLOUD_REGION") or "ap-shanghai",
            endpoint=self.variables.get("HUITOU_SCF_ENDPOINT") or "scf.tencentcloudapi.com",
            protocol=self.variables.get("HUITOU_SCF_PROTOCOL") or "https",
            secret_id=self._required("TENCENTCLOUD_SECRETID"),
            secret_key=self._required("TENCENTCLOUD_SECRETKEY"),
            session_token=self.variables.get("TENCENTCLOUD_SESSIONTOKEN") or None,
        )


@cache
def settings() -> Settings:
    """Return this instance's settings.

    Each variable is read anew on every use, because the platform renews the credentials.
    """
    return Settings(os.environ)
