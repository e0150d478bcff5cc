"""Every query on `platform_certificates`."""

from __future__ import annotations

from datetime import datetime

from pymongo.errors import DuplicateKeyError

from huitou.payments.wechat_pay.models import PlatformCertificate
from huitou.runtime.database import Database

MOST_CERTIFICATES = 20
_REFRESH = "refresh"  # The one document that is no certificate: it holds when to fetch them next.


class CertificateRepository:
    def __init__(self, database: Database) -> None:
        self._certificates = database.collection("platform_certificates")

    def holding(self, now: datetime) -> list[PlatformCertificate]:
        """Certificates that haven't expired; the one that expires last comes first."""
        found = (
            self._certificates.find({"expires_at": {"$gt": now}})
            .sort("expires_at", -1)
            .limit(MOST_CERTIFICATES)
        )
        return [PlatformCertificate.model_validate(document) for document in found]

    def put(self, certificate: PlatformCertificate) -> None:
        self._certificates.replace_one({"_id": certificate.id}, certificate.document(), upsert=True)

    def drop_expired(self, now: datetime) -> None:
        self._certificates.delete_many({"expires_at": {"$lte": now}})

    def claim(self, now: datetime, until: datetime) -> bool:
        """Take the right to fetch certificates from WeChat Pay; False if it isn't time yet.

        If two timers call this at once, the second finds `next_at` moved, or its upsert meets the
        first one's id.
        """
        try:
            claimed = self._certificates.update_one(
                {"_id": _REFRESH, "next_at": {"$lte": now}},
                {"$set": {"next_at": until, "schema": 1}},
                upsert=True,
            )
        except DuplicateKeyError:
            return False
        return claimed.matched_count == 1 or claimed.upserted_id is not None

    def next_at(self, moment: datetime) -> None:
        self._certificates.update_one({"_id": _REFRESH}, {"$set": {"next_at": moment}})
