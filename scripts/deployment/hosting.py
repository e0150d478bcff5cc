"""The environment's static hosting (静态网站托管), where the console's pages lie.

A bucket of the account, which speaks S3; HTTP access leads a path to it, on the origin of the API.
The first page is written last: until then everybody gets the pages of before, whole.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Any, Literal

from deployment.cloud_api import CloudApi, CloudApiError
from huitou.integrations.storage import ObjectStorage
from huitou.runtime.settings import Settings

PATH = "/console"
STATIC = "STATIC_STORE"
FIRST = "index.html"
# Names of assets follow from what is in them; the first page leads to those of today.
_FOR_EVER, _ASK_EACH_TIME = "public, max-age=31536000, immutable", "no-cache"


def hosting(api: CloudApi, storage_url: str) -> Hosting | None:
    """Return the environment's static hosting; None where nobody has opened it yet."""
    try:
        stores = api.tcb("DescribeStaticStore").get("Data") or []
    except CloudApiError as error:
        if error.code.startswith("ResourceNotFound"):
            return None
        raise
    online = next((store for store in stores if store.get("Status") == "online"), None)
    return Hosting(api, online, storage_url) if online else None


class Hosting:
    """One bucket of pages. `storage_url` is where its storage answers ("": Tencent's own)."""

    def __init__(self, api: CloudApi, store: dict[str, Any], storage_url: str) -> None:
        account = api.account
        region = store.get("Region") or store.get("Regoin") or account.region
        self._storage = ObjectStorage(
            Settings(
                {
                    "STORAGE_BUCKET": str(store["Bucket"]),
                    "STORAGE_URL": storage_url,
                    "TENCENTCLOUD_REGION": str(region),
                    "TENCENTCLOUD_SECRETID": account.secret_id,
                    "TENCENTCLOUD_SECRETKEY": account.secret_key,
                    "TENCENTCLOUD_SESSIONTOKEN": account.session_token or "",
                }
            )
        )

    def state(self, folder: Path) -> Literal["none", "other", "same"]:
        """Tell whether these pages lie there: "same", "other" or "none"."""
        there = self._storage.get(_name(FIRST))
        if there is None:
            return "none"
        return "same" if there == (folder / FIRST).read_bytes() else "other"

    def upload(self, folder: Path) -> None:
        """Write all pages, the first one last; what older first pages lead to stays."""
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        for path in sorted(files, key=lambda path: path == folder / FIRST):
            name = path.relative_to(folder).as_posix()
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            cache = _ASK_EACH_TIME if name == FIRST else _FOR_EVER
            self._storage.put(_name(name), path.read_bytes(), kind, cache)


def _name(path: str) -> str:
    return f"{PATH.strip('/')}/{path}"
