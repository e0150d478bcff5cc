"""The keys of WeChat Pay that we trust now: those in the settings, and stored certificates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

from huitou.payments.charges.rules import certificate_span
from huitou.payments.wechat_pay.client import WeChatPay
from huitou.payments.wechat_pay.models import PlatformCertificate
from huitou.payments.wechat_pay.repository import CertificateRepository
from huitou.runtime.database import Database
from huitou.runtime.settings import WeChatPaySettings

ASK_EVERY = timedelta(hours=12)
ASK_AGAIN_AFTER = timedelta(minutes=10)  # when WeChat Pay didn't answer
KEPT_S = 60.0


class PlatformKeys:
    """The trusted keys. Certificates change about once a year; meanwhile we trust old and new ones.

    Only the timer fetches certificates: if a caller names an unknown serial, nothing is fetched.
    All times are real time, as signatures need it.
    """

    def __init__(self, database: Database, settings: WeChatPaySettings) -> None:
        self._cache = database.cache
        self._certificates = CertificateRepository(database)
        self._settings = settings

    def trusted_keys(self) -> Mapping[str, str]:
        """Return PEMs by serial; the settings have precedence over stored certificates."""
        stored = self._cache.get("platform_certificates", self._stored, KEPT_S)
        return {**stored, **self._settings.platform_keys}

    def _stored(self) -> dict[str, str]:
        holding = self._certificates.holding(datetime.now(UTC))
        return {certificate.id: certificate.pem for certificate in holding}

    def refresh_certificates(self, gateway: WeChatPay) -> Literal["early", "refreshed"]:
        """Fetch and store WeChat Pay's certificates, at most every 12 hours for the whole chain.

        Returns "early" if it isn't time yet, otherwise "refreshed". Raises Unavailable and
        WeChatPayRefusal; then the timer may try again after ten minutes.
        """
        now = datetime.now(UTC)
        if not self._certificates.claim(now, now + ASK_AGAIN_AFTER):
            return "early"
        for serial, pem in gateway.certificates().items():
            until = certificate_span(pem)[1]
            self._certificates.put(PlatformCertificate(id=serial, pem=pem, expires_at=until))
        self._certificates.drop_expired(now)
        self._certificates.next_at(now + ASK_EVERY)
        return "refreshed"
