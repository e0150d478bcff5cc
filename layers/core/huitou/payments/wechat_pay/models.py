"""WeChat Pay's platform certificates as we store them."""

from __future__ import annotations

from datetime import datetime

from huitou.runtime.documents import Stored


class PlatformCertificate(Stored):
    """One certificate; `id` is its serial. We trust it until `expires_at` (real time)."""

    pem: str
    expires_at: datetime
