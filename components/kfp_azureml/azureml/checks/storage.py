"""Check the workspace's default datastore by writing a small blob."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

from kfp_azureml.azureml.azure_errors import error_codes, explain
from kfp_azureml.azureml.checks.workspace import Workspace, role_command
from kfp_azureml.azureml.retries import retrying
from kfp_azureml.runtime.checks import Outcome, failed, passed
from kfp_azureml.runtime.redaction import add_secret

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.blob import ContainerClient

_API_VERSION = "2024-10-01-preview"  # expirable secrets
BLOB = "kfp-azureml-checks/written-by-a-check.txt"
"""Always the same name, since the signature of a datastore may write but not delete."""
_TRANSPORT: dict[str, Any] = {"retry_total": 2, "initial_backoff": 1, "increment_base": 2}
_TIMEOUTS: dict[str, Any] = {"connection_timeout": 5, "read_timeout": 15}


def check_datastore(workspace: Workspace, identity: TokenCredential) -> Outcome:
    """Read the default datastore; the outcome has a client of its container."""
    version = {"api-version": _API_VERSION}
    with_secrets = {"expirableSecret": True, "expireAfterHours": 1}
    try:
        stores = workspace.arm.pages(f"{workspace.place.id}/datastores", isDefault="true", **version)
        store = next(iter(stores), None)
        if store is None:
            return failed(
                "the workspace has no default datastore",
                f"az ml datastore create --file datastore.yaml {workspace.place.options} --set is_default=true",
            )
        name, properties, secret = store["name"], store["properties"], None
        if properties["credentials"]["credentialsType"] != "None":
            path = f"{workspace.place.id}/datastores/{name}/listSecrets"
            answer = retrying("reading the datastore", lambda: workspace.arm.post(path, with_secrets, **version))
            secret = answer.get("sasToken") or answer.get("key")
    except AzureError as error:
        raise explain(error, "reading the default datastore") from error
    if isinstance(secret, str):
        add_secret(secret)
    return passed(
        f"datastore {name} in storage account {properties.get('accountName')}",
        _container(properties, secret or identity),
    )


def check_storage(container: ContainerClient, workspace: Workspace, who: str) -> Outcome:
    """Check that the identity may write to the container."""
    account = str(workspace.properties.get("storageAccount", ""))
    try:
        container.upload_blob(BLOB, b"written by a check of kfp-azureml; may be deleted\n", overwrite=True)
    except HttpResponseError as error:
        if "AuthorizationFailure" in error_codes(error):
            return failed(
                "the firewall of the workspace's storage refuses this network",
                f"az storage account network-rule add --account-name {quote(account.rpartition('/')[2])} "
                "--ip-address ADDRESS",
            )
        if error.status_code == 403:
            return failed(
                str(explain(error, f"writing to container {container.container_name}")),
                role_command(who, "Storage Blob Data Contributor", account),
            )
        raise explain(error, f"writing to container {container.container_name}") from error
    except AzureError as error:
        raise explain(error, f"writing to container {container.container_name}") from error
    return passed(f"a blob in container {container.container_name} was written{_delete(container)}")


def _delete(container: ContainerClient) -> str:
    try:
        container.delete_blob(BLOB)
    except ResourceNotFoundError:
        pass  # another check deleted it
    except AzureError:
        return f"; {BLOB} stays, since the datastore's credentials do not allow to delete it"
    return " and deleted"


def _container(properties: dict[str, Any], sign: str | TokenCredential) -> ContainerClient:
    from azure.storage.blob import ContainerClient

    address = f"{properties['protocol']}://{properties['accountName']}.blob.{properties['endpoint']}"
    return ContainerClient(address, properties["containerName"], sign, **_TRANSPORT, **_TIMEOUTS)
