"""Access blobs of the workspace's storage, and single files of assets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from azure.core.exceptions import ResourceNotFoundError

from kfp_azureml.azureml.credentials import credential
from kfp_azureml.azureml.retries import retrying
from kfp_azureml.runtime.redaction import add_secret

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Datastore
    from azure.core.credentials import TokenCredential
    from azure.storage.blob import ContainerClient

_DATASTORE_PATH = re.compile(
    r"azureml://(?:subscriptions/[^/]+/resourcegroups/[^/]+/(?:providers/[^/]+/)?workspaces/(?P<workspace>[^/]+)/)?"
    r"datastores/(?P<datastore>[^/]+)/paths/(?P<path>.+?)/?",
    re.IGNORECASE,
)
# The storage SDK's default pauses start at 15 s.
_RETRIES: dict[str, Any] = {"retry_total": 4, "initial_backoff": 1, "increment_base": 2}


class DatastorePath(NamedTuple):
    """A path in a datastore.

    Attributes:
        workspace: The datastore's workspace; empty if the URI does not contain it.
        datastore: The datastore.
        path: The path in its container.
    """

    workspace: str
    datastore: str
    path: str


def datastore_path(uri: str) -> DatastorePath | None:
    """Parse `azureml://.../datastores/D/paths/P`; return None for other URIs."""
    found = _DATASTORE_PATH.fullmatch(uri)
    return DatastorePath(found["workspace"] or "", found["datastore"], found["path"]) if found else None


@contextmanager
def datastore_container(client: MLClient, datastore_name: str) -> Iterator[ContainerClient]:
    """Yield a client of the blob container behind a datastore.

    Raises:
        AzureError: If the datastore does not exist or access is denied.
    """
    datastore = retrying(
        f"reading datastore {datastore_name}", lambda: client.datastores.get(datastore_name, include_secrets=True)
    )
    with container_of(datastore) as container:
        yield container


@contextmanager
def container_of(datastore: Datastore) -> Iterator[ContainerClient]:
    """Yield a client of the blob container behind a datastore that was read with its secrets.

    It uses the datastore's key or SAS token. If there is none, because the account forbids keys, it uses the step's own
    credentials.

    Raises:
        AzureError: If the datastore is not a blob container.
    """
    from azure.ai.ml.entities import AccountKeyConfiguration, AzureBlobDatastore, SasTokenConfiguration
    from azure.storage.blob import ContainerClient

    if not isinstance(datastore, AzureBlobDatastore):
        raise ResourceNotFoundError(f"datastore {datastore.name} is not a blob container")
    kept = datastore.credentials
    sign: str | TokenCredential | None = None
    if isinstance(kept, SasTokenConfiguration):
        sign = kept.sas_token
    elif isinstance(kept, AccountKeyConfiguration):
        sign = kept.account_key
    if isinstance(sign, str):
        add_secret(sign)
    address = f"{datastore.protocol}://{datastore.account_name}.blob.{datastore.endpoint}"
    with ContainerClient(address, str(datastore.container_name), sign or credential(), **_RETRIES) as container:
        yield container


def read_asset_file(client: MLClient, asset_path: str, name: str) -> bytes | None:
    """Read one file of an asset's folder.

    Args:
        client: A client of the workspace.
        asset_path: The asset's address, such as `azureml://.../datastores/D/paths/P`.
        name: The file's name in the folder.

    Returns:
        The content; None if the file does not exist or the asset is not in a datastore of this workspace.

    Raises:
        AzureError: If the storage denies access.
    """
    place = datastore_path(asset_path)
    if place is None:
        return None
    with datastore_container(client, place.datastore) as container:
        try:
            return container.download_blob(f"{place.path}/{name}").readall()
        except ResourceNotFoundError:
            return None
