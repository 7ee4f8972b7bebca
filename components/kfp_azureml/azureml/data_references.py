"""Resolve Azure ML data references to storage URIs.

References are `azureml:NAME:VERSION` and `azureml://.../datastores/...`.

Uses Azure's REST API with azure-core and azure-identity only, since the image that runs prep has no azure-ai-ml.
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
_MAX_STEPS = 5  # an asset's URI may be another reference

_ASSET = re.compile(r"azureml:(?P<name>[^:/@]+)(:(?P<version>[^:/@]+)|@(?P<label>latest))")
_WORKSPACE = (
    r"subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)/(providers/[^/]+/)?"
    r"workspaces/(?P<workspace>[^/]+)/"
)
_LONG_ASSET = re.compile(
    rf"azureml:/{{1,2}}{_WORKSPACE}data/(?P<name>[^/]+)/versions/(?P<version>[^/]+)", re.IGNORECASE
)
_DATASTORE = re.compile(rf"azureml://({_WORKSPACE})?datastores/(?P<datastore>[^/]+)/paths/(?P<path>.*)", re.IGNORECASE)
# The query, which may be a SAS token, is dropped: credentials are used instead. `#` is an ordinary path character.
_BLOB = re.compile(
    r"https://(?P<account>[^./]+)\.blob\.(?P<endpoint>core\.[^/]+)/(?P<container>[^/?]+)/?(?P<path>[^?]*)(\?.*)?"
)


def locate(address: str, *, resource_group: str = "", workspace: str = "", subscription_id: str = "") -> str:
    """Resolve a data reference to a URI for adlfs.

    Args:
        address: A data asset, `azureml:NAME:VERSION` or `azureml:NAME@latest`, or a datastore path,
            `azureml://datastores/NAME/paths/PATH`; or the long form of either, with `azureml://subscriptions/`.
        resource_group: The workspace's resource group, if the reference does not contain it. In an Azure ML job all
            three may be empty; the default is the job's workspace.
        workspace: The workspace's name.
        subscription_id: The workspace's subscription; empty selects AZ_SUBSCRIPTION_ID.

    Returns:
        `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH`, or another URI that the asset has.

    Raises:
        DataError: If the reference is invalid or does not exist.
        WorkspaceError: If the workspace is unknown.
        CredentialsError: If the credentials are incomplete or rejected.
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
    raise DataError(f"{address}: does not resolve to data within {_MAX_STEPS} references")


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
        raise DataError(
            f"datastore {name}: its type is {datastore.get('datastoreType')}; only blob containers are supported"
        )
    endpoint = datastore.get("endpoint") or "core.windows.net"
    return f"abfss://{container}@{datastore['accountName']}.dfs.{endpoint}/{unquote(str(found['path']))}"


def _for_adlfs(address: str) -> str:
    """Return a blob's https URL as an abfss URI; return other URIs unchanged."""
    found = _BLOB.fullmatch(address)
    if found is None:
        return address
    return f"abfss://{found['container']}@{found['account']}.dfs.{found['endpoint']}/{unquote(found['path'])}"


def _workspace(found: Mapping[str, str | None], given: Mapping[str, str]) -> str:
    """Return the resource id of the workspace in the reference, in the arguments, or of this job."""
    if found.get("workspace"):
        named = [str(found[key]) for key in ("subscription", "group", "workspace")]
    elif given["group"] and given["workspace"]:
        named = [given["subscription"] or azcreds.subscription_id(), given["group"], given["workspace"]]
    else:
        named = [
            os.environ.get(f"AZUREML_ARM_{what}", "") for what in ("SUBSCRIPTION", "RESOURCEGROUP", "WORKSPACE_NAME")
        ]
    if not all(named):
        raise WorkspaceError("an azureml: reference needs a workspace: set resource_group and workspace")
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
