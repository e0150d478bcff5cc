"""The chain's object storage: Tencent's COS, through its S3 interface.

Source: COS's guide for S3 SDKs. The bucket is part of the host name, and the checksums that newer
S3 clients add to a body must be switched off.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

from huitou.runtime.errors import Unavailable
from huitou.runtime.settings import Settings

LINK_LIVES_S = 3600
TIMEOUT_S = (2, 5)
_GONE = {"404", "NoSuchKey", "NotFound"}

Answer = TypeVar("Answer")


class ObjectStorage:
    """One bucket. Raises Unavailable if the storage doesn't answer or answers with an error."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.storage

    def get(self, name: str) -> bytes | None:
        """Return an object; None if there is none with this name."""

        def read() -> bytes:
            found = self._client.get_object(Bucket=self._settings.bucket, Key=name)
            return bytes(found["Body"].read())

        return self._asked(read)

    def put(self, name: str, content: bytes, content_type: str, cache: str = "private") -> None:
        """Store an object under a name, or replace it; `cache` is its Cache-Control header."""
        self._asked(
            lambda: self._client.put_object(
                Bucket=self._settings.bucket,
                Key=name,
                Body=content,
                ContentType=content_type,
                CacheControl=cache,
            )
        )

    def has(self, name: str) -> bool:
        """Tell whether there is an object with this name."""
        head = self._client.head_object
        return self._asked(lambda: head(Bucket=self._settings.bucket, Key=name)) is not None

    def link(self, name: str) -> str:
        """Return a link to an object for one hour. It is signed here, without a call."""
        what = {"Bucket": self._settings.bucket, "Key": name}
        return str(self._client.generate_presigned_url("get_object", what, ExpiresIn=LINK_LIVES_S))

    @cached_property
    def _client(self) -> Any:
        import boto3  # Imported late: it is slow, and most functions store no files.
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self._settings.url,
            region_name=self._settings.region,
            aws_access_key_id=self._settings.secret_id,
            aws_secret_access_key=self._settings.secret_key,
            aws_session_token=self._settings.session_token,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "virtual"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                connect_timeout=TIMEOUT_S[0],
                read_timeout=TIMEOUT_S[1],
                retries={"total_max_attempts": 2},
            ),
        )

    def _asked(self, ask: Callable[[], Answer]) -> Answer | None:
        """Run a call to the storage; None if there is no such object."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return ask()
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code"))
            if code in _GONE:
                return None
            raise Unavailable(detail=f"storage {code}") from None
        except BotoCoreError as error:
            raise Unavailable(detail=type(error).__name__) from None
