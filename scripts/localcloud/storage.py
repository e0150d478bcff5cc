"""The local object storage: moto's S3 server, in memory: the chain's bucket and the pages'."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from huitou.integrations.storage import ObjectStorage
from huitou.runtime.settings import Settings, StorageSettings

BUCKET, STATIC_BUCKET = "huitou-1250000000", "static-huitou-1250000000"


class StorageStandIn:
    """An S3 server on a port of this machine. `files` are there from the start, by name."""

    def __init__(self, port: int, files: Mapping[str, bytes]) -> None:
        self._port = port
        self._files = files

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self, settings: Settings) -> None:
        """Begin to serve, with an empty bucket but for the files."""
        from moto.server import ThreadedMotoServer  # Half a second; only a cloud that runs.

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer("127.0.0.1", self._port, verbose=False)
        self._server.start()
        self._settings = settings
        self.storage = self.storage_of(BUCKET)
        for bucket in (BUCKET, STATIC_BUCKET):
            _make_bucket(settings.storage, bucket)
        for name, content in self._files.items():
            self.storage.put(name, content, "image/png")

    def storage_of(self, bucket: str) -> ObjectStorage:
        """Return one of the buckets, as a function would use it."""
        return ObjectStorage(Settings({**self._settings.variables, "STORAGE_BUCKET": bucket}))

    def stop(self) -> None:
        if hasattr(self, "_server"):
            self._server.stop()


def _make_bucket(mine: StorageSettings, name: str) -> None:
    import boto3
    from botocore.exceptions import ClientError

    client = boto3.client(
        "s3",
        endpoint_url=mine.url,
        region_name=mine.region,
        aws_access_key_id=mine.secret_id,
        aws_secret_access_key=mine.secret_key,
    )
    where = {"LocationConstraint": mine.region}
    try:
        client.create_bucket(Bucket=name, CreateBucketConfiguration=where)
    except ClientError as error:  # Two clouds of one process share moto's memory.
        if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
            raise
