"""The workspace."""

from __future__ import annotations

import uuid

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from azureml_emulator.arm.errors import ArmError, not_emulated, not_found
from azureml_emulator.arm.operations import Status
from azureml_emulator.arm.resources import PROVIDER, new_resource, now, object_in, text_in
from azureml_emulator.context import Context, context_of
from azureml_emulator.control_plane import computes, datastores
from azureml_emulator.control_plane.http import read_body
from azureml_emulator.control_plane.listing import page
from azureml_emulator.control_plane.long_running import LOCATIONS
from azureml_emulator.control_plane.lookup import get_resource
from azureml_emulator.host_names import MANAGEMENT_HOST
from azureml_emulator.settings import Settings
from azureml_emulator.store import Document, Store

UPDATE = "update-workspace"
SUBSCRIPTION = "/subscriptions/{subscription}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/{{group}}"
ANY = f"{GROUP}/providers/{PROVIDER}/workspaces/{{workspace}}"


def create(store: Store, settings: Settings, storage_account: str) -> None:
    """Create the workspace with its default resources, unless it exists."""
    if store.get(settings.workspace_id):
        return
    workspace = new_resource(
        settings.workspace_id,
        _properties(settings, storage_account),
        location=settings.location,
        tags={},
        etag=None,
        kind="Default",
        sku={"name": "Basic", "tier": "Basic"},
        identity={"type": "SystemAssigned", "principalId": str(uuid.uuid4()), "tenantId": settings.tenant_id},
    )
    workspace["properties"]["creationTime"] = workspace["systemData"]["createdAt"]
    store.put(workspace)
    datastores.create(store, settings, storage_account)
    computes.create_defaults(store, settings.workspace_id, settings.location)


def _properties(settings: Settings, storage_account: str) -> Document:
    """Return a new workspace's properties (recorded 2024); nothing is behind its key vault and Application Insights."""
    providers = f"{settings.workspace_id.split('/providers/')[0]}/providers"
    workspace = str(uuid.uuid4())
    return {
        "friendlyName": settings.workspace,
        "description": "",
        "storageAccount": f"{providers}/Microsoft.Storage/storageAccounts/{storage_account}",
        "keyVault": f"{providers}/Microsoft.Keyvault/vaults/{settings.workspace}",
        "applicationInsights": f"{providers}/Microsoft.insights/components/{settings.workspace}",
        "hbiWorkspace": False,
        "tenantId": settings.tenant_id,
        "imageBuildCompute": None,
        "provisioningState": "Succeeded",
        "managedNetwork": {
            "changeableIsolationModes": ["AllowInternetOutbound", "AllowOnlyApprovedOutbound"],
            "isolationMode": "Disabled",
        },
        "allowRoleAssignmentOnRG": True,
        "v1LegacyMode": False,
        "softDeleteEnabled": False,
        "notebookInfo": {
            "resourceId": workspace.replace("-", ""),
            "fqdn": f"ml-{settings.workspace}-{settings.location}-{workspace}.{settings.location}.notebooks.azure.net",
            "isPrivateLinkEnabled": False,
            "notebookPreparationError": None,
        },
        "storageHnsEnabled": False,
        "workspaceId": workspace,
        "linkedModelInventoryArmId": None,
        "privateLinkCount": 0,
        "publicNetworkAccess": "Enabled",
        "ipAllowlist": [],
        "discoveryUrl": f"https://{settings.api_host}/discovery",
        "mlFlowTrackingUri": settings.tracking_uri,
        "serverlessComputeSettings": None,
        "EnableSoftwareBillOfMaterials": False,
        "sdkTelemetryAppInsightsKey": str(uuid.uuid4()),
        "sasGetterUri": "",
        "enableDataIsolation": False,
        "systemDatastoresAuthMode": "identity" if settings.keyless_storage else "accesskey",
        "enableServiceSideCMKEncryption": False,
    }


def routes(workspace_id: str, below: list[BaseRoute]) -> list[BaseRoute]:
    """Return the routes of the workspace, of lists, and of unknown workspaces.

    Args:
        workspace_id: The workspace's ARM id.
        below: The routes of the resources in it.
    """
    return [
        Route(f"/subscriptions/{{subscription}}/providers/{PROVIDER}/workspaces", list_workspaces),
        Route(
            f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{PROVIDER}/workspaces", list_workspaces
        ),
        Route(f"{LOCATIONS}/workspaceOperationsStatus/{{operation}}", get_update_status),
        Route(workspace_id, get, methods=["GET"]),
        Route(workspace_id, update, methods=["PATCH"]),
        Route(workspace_id, refuse_another, methods=["PUT", "DELETE"]),
        Mount(
            workspace_id,
            routes=[
                Route("/listKeys", list_keys, methods=["POST"]),
                Route("/listStorageAccountKeys", list_storage_account_keys, methods=["POST"]),
                *below,
            ],
        ),
        Route(ANY, refuse_another, methods=["PUT"]),
        Route(ANY, refuse_unknown, methods=["GET", "DELETE", "POST", "PATCH"]),
        Route(f"{ANY}/{{below:path}}", refuse_unknown, methods=["GET", "PUT", "DELETE", "POST", "PATCH"]),
    ]


async def list_workspaces(request: Request) -> Response:
    """List the workspaces of the subscription or a resource group: one or none."""
    context = context_of(request)
    workspace = _workspace(request)
    names = request.path_params
    asked = (names["subscription"], names.get("group", context.settings.resource_group).lower())
    ours = asked == (context.settings.subscription_id, context.settings.resource_group.lower())
    kind = request.query_params.get("kind")
    return page(request, [workspace] if ours and kind in (None, workspace["kind"]) else [])


async def get(request: Request) -> Response:
    """GET the workspace."""
    return JSONResponse(_workspace(request))


def define_operations(context: Context) -> None:
    """Define the operation that a change of the workspace starts; the change itself is made at once."""

    async def finish(_workspace_id: str) -> None:
        return

    context.operations.define(UPDATE, finish)


async def update(request: Request) -> Response:
    """Change the workspace's tags, description and friendly name (recorded 2023 and 2024: 202, without a body)."""
    body = await read_body(request)
    workspace = _workspace(request)
    properties = object_in(body, "properties")
    for name in ("description", "friendlyName"):
        if name in properties:
            workspace["properties"][name] = text_in(properties, name)
    if "tags" in body:
        workspace["tags"] = object_in(body, "tags")
    workspace["systemData"]["lastModifiedAt"] = now()
    context = context_of(request)
    context.store.put(workspace)
    operation = context.operations.start(UPDATE, workspace["id"])
    settings = context.settings
    location = LOCATIONS.format(subscription=settings.subscription_id, location=settings.location)
    version = request.query_params.get("api-version", "")
    url = f"https://{MANAGEMENT_HOST}{location}/workspaceOperationsStatus/{operation.id}?api-version={version}&type=update"
    headers = {"Azure-AsyncOperation": url, "Location": url}
    # Otherwise clients wait for half a minute for what is already done.
    if settings.retry_after:
        headers["Retry-After"] = str(settings.retry_after)
    return Response(status_code=202, headers=headers)


async def get_update_status(request: Request) -> Response:
    """GET the status of a change of the workspace."""
    operation = context_of(request).operations.get(request.path_params["operation"])
    if operation is None or operation.kind != UPDATE:
        raise ArmError(404, "OperationNotFound", f"Operation {request.path_params['operation']!r} does not exist.")
    document: Document = {"status": operation.status}
    if operation.status is not Status.IN_PROGRESS:
        document["percentComplete"] = 100.0
    return JSONResponse(document)


async def list_keys(request: Request) -> Response:
    """Return the workspace's keys: only that of its storage account."""
    properties = _workspace(request)["properties"]
    key = _storage_key(request)
    return JSONResponse({"userStorageKey": key, "userStorageResourceId": properties["storageAccount"]})


async def list_storage_account_keys(request: Request) -> Response:
    """Return the key of the workspace's storage account."""
    return JSONResponse({"userStorageKey": _storage_key(request)})


async def refuse_another(_request: Request) -> Response:
    """Refuse to create a second workspace or to delete this one."""
    raise not_emulated("creating or deleting a workspace; start another emulator with its own --state-dir")


async def refuse_unknown(request: Request) -> Response:
    """Return a 404 that names the existing workspace."""
    names = request.path_params
    unknown = not_found(
        f"/subscriptions/{names['subscription']}/resourceGroups/{names['group']}/providers/{PROVIDER}"
        f"/workspaces/{names['workspace']}"
    )
    only = f"The emulator has only {context_of(request).settings.workspace_id}."
    raise ArmError(unknown.status, unknown.code, f"{unknown.message} {only}", gateway=True)


def _workspace(request: Request) -> Document:
    return get_resource(request, context_of(request).settings.workspace_id)


def _storage_key(request: Request) -> str | None:
    context = context_of(request)
    return None if context.settings.keyless_storage else context.blobs.key
