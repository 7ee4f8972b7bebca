"""List a model's blobs and read blocks of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from kfp_azureml.azureml.blobs import DatastorePath, datastore_container
from kfp_azureml.azureml.error_body import read_service_error
from kfp_azureml.azureml.retries import retrying
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.storage.blob import BlobProperties, ContainerClient

Result = TypeVar("Result")


@dataclass(frozen=True)
class BlobFile:
    """A file of a model in the storage.

    Attributes:
        name: Relative path in the model's folder.
        blob: Name of the blob.
        size: Size in bytes.
        etag: Version of the blob's content.
        md5: MD5 that the storage keeps; empty if the uploading client set none.
    """

    name: str
    blob: str
    size: int
    etag: str
    md5: bytes


class ModelBlobs:
    """A model's blobs; see `open_model_blobs`. Blocks are read from several threads."""

    def __init__(self, client: MLClient, place: DatastorePath, stack: ExitStack) -> None:
        self._client = client
        self._place = place
        self._stack = stack
        self._renewing = threading.Lock()
        self._container = self._open()

    def files(self) -> dict[str, BlobFile]:
        """List the files by name: those below the model's path, or the one blob with this path.

        Raises:
            AzureError: If the storage denies access.
        """
        return self._call("listing the model's files", self._files)

    def read(self, file: BlobFile, start: int, length: int) -> bytes:
        """Return a block of a file.

        Raises:
            ResourceModifiedError: If the blob has changed since it was listed.
            AzureError: If it cannot be read.
        """

        def get(container: ContainerClient) -> bytes:
            stream = container.download_blob(
                file.blob, start, length, etag=file.etag, match_condition=MatchConditions.IfNotModified
            )
            return stream.readall()

        return self._call(f"downloading {file.name}", get)

    def _files(self, container: ContainerClient) -> dict[str, BlobFile]:
        path = self._place.path.rstrip("/")
        found = [
            _file(blob, str(blob.name).removeprefix(f"{path}/"))
            for blob in container.list_blobs(name_starts_with=f"{path}/", include=["metadata"])
            if not _is_folder(blob)
        ]
        if not found:
            try:
                blob = container.get_blob_client(path).get_blob_properties()
            except ResourceNotFoundError:
                return {}
            found = [_file(blob, path.rsplit("/", 1)[-1])]
        return {file.name: file for file in found}

    def _call(self, what: str, call: Callable[[ContainerClient], Result]) -> Result:
        """Call the storage; if it rejects the key or SAS token, read the datastore's secrets again."""

        def attempt() -> Result:
            container = self._container
            try:
                return call(container)
            except HttpResponseError as error:
                if not _is_rejected_signature(error):
                    raise
                return call(self._renewed(container))

        return retrying(what, attempt)

    def _renewed(self, rejected: ContainerClient) -> ContainerClient:
        with self._renewing:
            if self._container is rejected:
                progress(f"datastore {self._place.datastore}: access expired, reading its credentials again")
                self._container = self._open()
            return self._container

    def _open(self) -> ContainerClient:
        return self._stack.enter_context(datastore_container(self._client, self._place.datastore))


@contextmanager
def open_model_blobs(client: MLClient, place: DatastorePath) -> Iterator[ModelBlobs]:
    """Yield the blobs of a model.

    Args:
        client: A client of the workspace.
        place: Where the model is stored.

    Raises:
        AzureError: If the datastore does not exist or is not a blob container.
    """
    with ExitStack() as stack:
        yield ModelBlobs(client, place, stack)


def _file(blob: BlobProperties, name: str) -> BlobFile:
    etag = str(blob.etag)
    # A list has it without the quotes of HTTP.
    quoted = etag if etag.startswith(('"', "W/")) else f'"{etag}"'
    return BlobFile(name, str(blob.name), int(blob.size), quoted, bytes(blob.content_settings.content_md5 or b""))


def _is_folder(blob: BlobProperties) -> bool:
    """Tell whether a blob stands for a folder, as in accounts with a hierarchical namespace."""
    metadata = {name.lower(): value for name, value in (blob.metadata or {}).items()}
    return not blob.size and metadata.get("hdi_isfolder", "").lower() == "true"


def _is_rejected_signature(error: HttpResponseError) -> bool:
    return error.status_code == 401 or (
        error.status_code == 403 and "AuthenticationFailed" in read_service_error(error).codes
    )
