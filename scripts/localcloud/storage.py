"""The local object storage: moto's S3 server, in memory: the chain's bucket and the pages'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from huitou.integrations.storage import ObjectStorage
from huitou.runtime.settings import Settings, StorageSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

BUCKET, STATIC_BUCKET = "huitou-1250000000", "static-huitou-1250000000"


class StorageStandIn:
    """An S3 service on a port of this machine. `files` are there from the start, by name."""

    def __init__(self, port: int, files: Mapping[str, bytes]) -> None:
        self._port = port
        self._files = files

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def app(self) -> WSGIApplication:
        """What is served on the port."""
        # Half a second; only a cloud that runs.
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        app: WSGIApplication = DomainDispatcherApplication(create_backend_app)
        return app

    def fill(self, settings: Settings) -> None:
        """Make the buckets, empty but for the files; the port must be served already."""
        self._settings = settings
        self.storage = self.storage_of(BUCKET)
        for bucket in (BUCKET, STATIC_BUCKET):
            _make_bucket(settings.storage, bucket)
        for name, content in self._files.items():
            self.storage.put(name, content, "image/png")

    def storage_of(self, bucket: str) -> ObjectStorage:
        """Return one of the buckets, as a function would use it."""
        return ObjectStorage(Settings({**self._settings.variables, "STORAGE_BUCKET": bucket}))


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
