"""What WeChat Pay tells, and its platform certificates as we store them."""

from datetime import datetime
from typing import Any

from pydantic import model_validator

from huitou.runtime.documents import Record, Stored


class Told(Record):
    """Something that WeChat Pay tells: it may write a value that isn't there yet as empty text."""

    @model_validator(mode="before")
    @classmethod
    def _without_empty_values(cls, told: Any) -> Any:
        if not isinstance(told, dict):
            return told
        return {name: value for name, value in told.items() if value != ""}


class PlatformCertificate(Stored):
    """One certificate; `id` is its serial. We trust it until `expires_at` (real time)."""

    pem: str
    expires_at: datetime
