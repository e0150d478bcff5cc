"""Where a local cloud's API answers, and with which values its functions run.

Commands need this of a cloud that is up; only who starts one imports `cloud.py`.
"""

from __future__ import annotations

from bootstrap import ROOT
from deployment.cloud_api import Account
from deployment.target import Target
from huitou.runtime.settings import Settings, WeChatPaySettings
from localcloud.keys import LocalSecrets
from localcloud.storage import BUCKET

NAMESPACE = "local-huitou"
REGION = "ap-shanghai"
DEFAULT_DATA = ROOT / ".huitou"


def local_cloud_target(
    keys: LocalSecrets, url: str, mongodb_uri: str, database_name: str, storage_url: str
) -> Target:
    """Say where a local cloud's API answers and with which values its functions run."""
    account = Account(
        env_id=NAMESPACE,
        region=REGION,
        secret_id=keys.secret_id,
        secret_key=keys.secret_key,
        endpoint=url.removeprefix("http://"),
        protocol="http",
    )
    variables = {
        "TCB_ENV": NAMESPACE,
        "VPC_ID": "vpc-local",
        "VPC_SUBNET_ID": "subnet-local",
        "MONGODB_URI": mongodb_uri,
        "HUITOU_DATABASE": database_name,
        "HUITOU_BRAND_ID": "huitou",
        "HUITOU_INTERNAL_SECRET": keys.internal_secret,
        "HUITOU_PHONE_KEY": keys.phone_key,
        "WECHAT_APPID": keys.appid,
        "WECHAT_APP_SECRET": keys.app_secret,
        "WEATHER_KEY": keys.weather_key,
        "STORAGE_BUCKET": BUCKET,
        "STORAGE_URL": storage_url,
        "WECHAT_PAY_MCHID": keys.mchid,
        "WECHAT_PAY_MERCHANT_SERIAL": keys.merchant_serial,
        "WECHAT_PAY_MERCHANT_KEY": keys.merchant_private_key,
        "WECHAT_PAY_API_V3_KEY": keys.api_v3_key,
        "WECHAT_PAY_PLATFORM_KEYS": f"{keys.platform_serial}={keys.platform_public_key}",
        "WECHAT_PAY_NOTIFY_URL": f"{url}/pay/notify",
    }
    return Target(account, variables)


def merchant_settings(keys: LocalSecrets) -> WeChatPaySettings:
    """The merchant as functions here know it, for those who use the services in process."""
    variables = local_cloud_target(keys, "https://chain.example", "", "", "").variables
    return Settings(variables).wechat_pay
