"""Azure ML's names for data, `azureml:NAME:VERSION` and `azureml://.../datastores/...`, as addresses in the storage.

By Azure's REST interface, with azure-core and azure-identity alone: the image that prep runs in has no azure-ai-ml.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from kfp_azureml import azcreds
from kfp_azureml.azureml.azure_errors import azure_errors
from kfp_azureml.azureml.credentials import credential
from kfp_azureml.runtime.errors import DataError, WorkspaceError

if TYPE_CHECKING:
    from azure.core import PipelineClient

ARM = "https://management.azure.com"
API_VERSION = "2024-10-01"
_MAX_STEPS = 5  # an asset's address may be a datastore's, and so on

_ASSET = re.compile(r"azureml:(?P<name>[^:/@]+)(:(?P<version>[^:/@]+)|@(?P<label>latest))")
_WORKSPACE = (
    r"subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)/(providers/[^/]+/)?"
    r"workspaces/(?P<workspace>[^/]+)/"
)
_LONG_ASSET = re.compile(
    rf"azureml:/{{1,2}}{_WORKSPACE}data/(?P<name>[^/]+)/versions/(?P<version>[^/]+)", re.IGNORECASE
)
_DATASTORE = re.compile(rf"azureml://({_WORKSPACE})?datastores/(?P<datastore>[^/]+)/paths/(?P<path>.*)", re.IGNORECASE)
# A query, which may be a signature, is not needed beside our credentials. `#` is a letter of a path like any other.
_BLOB = re.compile(
    r"https://(?P<account>[^./]+)\.blob\.(?P<endpoint>core\.[^/]+)/(?P<container>[^/?]+)/?(?P<path>[^?]*)(\?.*)?"
)


def locate(address: str, *, resource_group: str = "", workspace: str = "", subscription_id: str = "") -> str:
    """Return where the data of a reference is, as adlfs takes it.

    Args:
        address: `azureml:NAME:VERSION` or `azureml:NAME@latest`, a data asset; `azureml://datastores/NAME/paths/PATH`;
            or either in its long form, which begins with `azureml://subscriptions/`.
        resource_group: The workspace's resource group, where the address does not say it. Inside a job of Azure ML all
            three may be empty: the job's own workspace.
        workspace: Its name.
        subscription_id: Its subscription; empty: AZ_SUBSCRIPTION_ID.

    Returns:
        `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH`, or what else the asset points at.

    Raises:
        DataError: If it is no such reference, or leads nowhere.
        WorkspaceError: If the workspace is not known.
        CredentialsError: If the credentials are incomplete or refused.
    """
    given = {"subscription": subscription_id, "group": resource_group, "workspace": workspace}
    with _client() as client:
        for _ in range(_MAX_STEPS):
            if found := _ASSET.fullmatch(address) or _LONG_ASSET.fullmatch(address):
                address = _asset(client, found.groupdict(), given)
            elif found := _DATASTORE.fullmatch(address):
                return _in_datastore(client, found.groupdict(), given)
            elif address.startswith("azureml:"):
                raise DataError(
                    f"{address}: expected azureml:NAME:VERSION, azureml:NAME@latest or azureml://datastores/NAME/paths/PATH"
                )
            else:
                return _for_adlfs(address)
    raise DataError(f"{address}: leads from one name to the next and never to data")


def _asset(client: PipelineClient[Any, Any], found: Mapping[str, str | None], given: Mapping[str, str]) -> str:
    data = f"{_workspace(found, given)}/data/{quote(str(found['name']))}"
    version = found.get("version")
    what = f"data asset {found['name']}"
    if version is None:
        version = _get(client, data, what)["latestVersion"]
    return str(_get(client, f"{data}/versions/{quote(str(version))}", f"{what}, version {version}")["dataUri"])


def _in_datastore(client: PipelineClient[Any, Any], found: Mapping[str, str | None], given: Mapping[str, str]) -> str:
    name = str(found["datastore"])
    datastore = _get(client, f"{_workspace(found, given)}/datastores/{quote(name)}", f"datastore {name}")
    container = datastore.get("containerName") or datastore.get("filesystem")
    if not (container and datastore.get("accountName")):
        raise DataError(f"datastore {name}: it is {datastore.get('datastoreType')}; blob containers can be read")
    endpoint = datastore.get("endpoint") or "core.windows.net"
    return f"abfss://{container}@{datastore['accountName']}.dfs.{endpoint}/{unquote(str(found['path']))}"


def _for_adlfs(address: str) -> str:
    """Return a blob's https address as one that is read with credentials; others are as they are."""
    found = _BLOB.fullmatch(address)
    if found is None:
        return address
    return f"abfss://{found['container']}@{found['account']}.dfs.{found['endpoint']}/{unquote(found['path'])}"


def _workspace(found: Mapping[str, str | None], given: Mapping[str, str]) -> str:
    """Return the path of the workspace that a reference names, or else the caller, or else this job."""
    if found.get("workspace"):
        named = [str(found[key]) for key in ("subscription", "group", "workspace")]
    elif given["group"] and given["workspace"]:
        named = [given["subscription"] or azcreds.subscription_id(), given["group"], given["workspace"]]
    else:
        named = [
            os.environ.get(f"AZUREML_ARM_{what}", "") for what in ("SUBSCRIPTION", "RESOURCEGROUP", "WORKSPACE_NAME")
        ]
    if not all(named):
        raise WorkspaceError("no workspace named for an azureml: reference: give resource_group and workspace")
    subscription, group, workspace = map(quote, named)
    provider = "providers/Microsoft.MachineLearningServices"
    return f"/subscriptions/{subscription}/resourceGroups/{group}/{provider}/workspaces/{workspace}"


def _get(client: PipelineClient[Any, Any], path: str, what: str) -> dict[str, Any]:
    from azure.core.rest import HttpRequest

    with azure_errors(what, DataError):
        response = client.send_request(HttpRequest("GET", f"{ARM}{path}", params={"api-version": API_VERSION}))
        response.raise_for_status()
        properties: dict[str, Any] = response.json()["properties"]
    return properties


def _client() -> PipelineClient[Any, Any]:
    from azure.core import PipelineClient
    from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy

    identity = BearerTokenCredentialPolicy(credential(), f"{ARM}/.default")
    return PipelineClient(ARM, policies=[RetryPolicy(), identity])
