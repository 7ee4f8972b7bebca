"""Single files of the workspace's own storage, without the whole folder around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceNotFoundError

from kfp_azureml.azureml.credentials import credential
from kfp_azureml.azureml.retries import retrying
from kfp_azureml.runtime.redaction import add_secret

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Datastore
    from azure.core.credentials import TokenCredential
    from azure.storage.blob import ContainerClient

_DATASTORE_PATH = re.compile(r"azureml://(?:.+/)?datastores/(?P<datastore>[^/]+)/paths/(?P<path>.+?)/?")
# The storage SDK's own pauses begin with 15 s.
_RETRIES: dict[str, Any] = {"retry_total": 4, "initial_backoff": 1, "increment_base": 2}


@contextmanager
def datastore_container(client: MLClient, datastore_name: str) -> Iterator[ContainerClient]:
    """Yield a client of the blob container behind a datastore.

    Raises:
        AzureError: If there is no such datastore, or it is not shown.
    """
    datastore = retrying(
        f"reading datastore {datastore_name}", lambda: client.datastores.get(datastore_name, include_secrets=True)
    )
    with container_of(datastore) as container:
        yield container


@contextmanager
def container_of(datastore: Datastore) -> Iterator[ContainerClient]:
    """Yield a client of the blob container behind a datastore that was read with its secrets.

    It is signed with what the datastore keeps; where that is nothing, since the account forbids keys, with the step's
    own identity.

    Raises:
        AzureError: If it is another kind of datastore.
    """
    from azure.ai.ml.entities import AccountKeyConfiguration, AzureBlobDatastore, SasTokenConfiguration
    from azure.storage.blob import ContainerClient

    if not isinstance(datastore, AzureBlobDatastore):
        raise ResourceNotFoundError(f"datastore {datastore.name} is no blob container")
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
        asset_path: Where the asset lies, such as `azureml://.../datastores/D/paths/P`.
        name: The file's name in it.

    Returns:
        Its content; None if there is no such file, or the asset does not lie in a datastore of this workspace.

    Raises:
        AzureError: If the storage does not show it.
    """
    place = _DATASTORE_PATH.fullmatch(asset_path)
    if place is None:
        return None
    with datastore_container(client, place["datastore"]) as container:
        try:
            return container.download_blob(f"{place['path']}/{name}").readall()
        except ResourceNotFoundError:
            return None
