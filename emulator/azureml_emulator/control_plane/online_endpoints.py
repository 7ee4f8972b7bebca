"""Online endpoints: an address, keys, and each deployment's share of the traffic."""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.arm.errors import bad_request
from azureml_emulator.arm.resources import object_in, text_in
from azureml_emulator.context import Context, context_of
from azureml_emulator.control_plane import kubernetes
from azureml_emulator.control_plane.endpoint_resources import (
    NAME_PATTERN,
    NAME_RULE,
    OPERATION_PROPERTY,
    build_resource,
    get,
    list_endpoints,
    spelled,
    start_delete,
)
from azureml_emulator.control_plane.http import read_body, read_resource
from azureml_emulator.control_plane.long_running import Kind, accepted, created, status_url
from azureml_emulator.control_plane.lookup import arm_path, check_name, get_resource, parent
from azureml_emulator.control_plane.provisioning import refuse_taken_name, refuse_unprovisioned_endpoint
from azureml_emulator.store import Document, EndpointKeys

AUTH_MODES = ("Key", "AMLToken", "AADToken")
IDENTITY_TYPES = ("SystemAssigned", "UserAssigned", "SystemAssigned,UserAssigned", "None")
MOST_MIRRORED = 50
PUT, DELETE, REGENERATE_KEYS = "put-online-endpoint", "delete-online-endpoint", "regenerate-keys"


def define_operations(context: Context) -> None:
    """Define the long-running operations on online endpoints."""

    async def finish_put(endpoint_id: str) -> None:
        await asyncio.sleep(context.settings.endpoint_seconds)
        _give_address(context, endpoint_id)

    async def finish_delete(endpoint_id: str) -> None:
        await asyncio.sleep(context.settings.endpoint_seconds)
        for deployment in context.store.list_collection(f"{endpoint_id}/deployments"):
            await context.servers.stop(deployment["id"])
        context.store.delete(endpoint_id)

    async def nothing_more(_endpoint_id: str) -> None:
        pass

    context.operations.define(PUT, finish_put)
    context.operations.define(DELETE, finish_delete)
    context.operations.define(REGENERATE_KEYS, nothing_more)


async def put(request: Request) -> Response:
    """Create or replace an endpoint; traffic and tags that the body omits are reset.

    The response of an update shows the endpoint as it was (recorded 2022).
    """
    context = context_of(request)
    endpoint_id = arm_path(request)
    name = request.path_params["endpoint"]
    check_name("an online endpoint", name, NAME_PATTERN, NAME_RULE)
    body, properties = await read_resource(request)
    previous = context.store.get(endpoint_id)
    state = context.transitions.begin_put(previous)
    refuse_unprovisioned_endpoint(context, previous, PUT)
    refuse_taken_name(context, f"batchEndpoints/{name}")
    before = previous["properties"] if previous else {}
    auth_mode = _checked_auth_mode(properties)
    resource = build_resource(
        request,
        body,
        {
            "description": properties.get("description") or before.get("description"),
            "properties": {
                **object_in(properties, "properties"),
                "azureml.onlineendpointid": endpoint_id.lower(),
            },
            # A new endpoint has no address until it is provisioned.
            "scoringUri": before.get("scoringUri"),
            "swaggerUri": before.get("swaggerUri"),
            # It can be set only once (recorded 2022).
            "authMode": before.get("authMode") or auth_mode,
            "provisioningState": state,
            "compute": _checked_compute(context, previous, properties),
            **_checked_shares(context, endpoint_id, properties),
            "publicNetworkAccess": properties.get("publicNetworkAccess") or "Enabled",
        },
        previous,
        kind=body.get("kind") or ("K8S" if properties.get("compute") else "Managed"),
        identity=_checked_identity(context, previous, body),
    )
    given = object_in(properties, "keys")
    keys = EndpointKeys(_key(given, "primaryKey"), _key(given, "secondaryKey"))
    operation = context.operations.start(PUT, endpoint_id)
    labels = resource["properties"]["properties"]
    labels[OPERATION_PROPERTY] = status_url(request, operation, Kind.ONLINE_ENDPOINT)
    context.store.put(resource)
    if previous is None:
        context.store.put_keys(endpoint_id, keys)
        return created(request, operation, Kind.ONLINE_ENDPOINT, resource)
    shown = {**previous, "properties": {**before, "properties": labels, "provisioningState": state}}
    return created(request, operation, Kind.ONLINE_ENDPOINT, shown)


def _checked_auth_mode(properties: Document) -> str:
    auth_mode = str(spelled(properties.get("authMode"), AUTH_MODES))
    if auth_mode not in AUTH_MODES:
        raise bad_request("'authMode' must be Key, AMLToken or AADToken.")
    if properties.get("compute") and auth_mode == "AADToken":
        raise bad_request("AADToken is for managed endpoints: on Kubernetes, 'authMode' must be Key or AMLToken.")
    return auth_mode


def _checked_compute(context: Context, previous: Document | None, properties: Document) -> str | None:
    """Return the ARM id of the endpoint's Kubernetes compute; None for a managed endpoint."""
    asked = properties.get("compute")
    compute: str | None = kubernetes.checked_compute(context.store, asked)["id"] if asked else None
    if previous and previous["properties"]["compute"] != compute:
        raise bad_request("The compute of an endpoint cannot change after its creation.")
    return compute


def _checked_shares(context: Context, endpoint_id: str, properties: Document) -> Document:
    """Return the live and the mirrored traffic."""
    deployments = [deployment["name"] for deployment in context.store.list_collection(f"{endpoint_id}/deployments")]
    traffic = checked_traffic(object_in(properties, "traffic"), deployments)
    mirror_traffic = object_in(properties, "mirrorTraffic")
    if properties.get("compute") and any(mirror_traffic.values()):
        raise bad_request("Traffic of an endpoint on Kubernetes cannot be mirrored, only that of a managed endpoint.")
    return {"traffic": traffic, "mirrorTraffic": checked_mirror_traffic(mirror_traffic, traffic, deployments)}


def _checked_identity(context: Context, previous: Document | None, body: Document) -> Document:
    identity = object_in(body, "identity") or {"type": "SystemAssigned"}
    kind = text_in(identity, "type")
    if not kind:
        raise bad_request("An endpoint's identity needs a 'type'.")
    if previous and previous["identity"]["type"].lower() != kind.lower():
        raise bad_request("The identity of an endpoint cannot change after its creation.")
    return previous["identity"] if previous else _new_identity(identity, context)


def checked_traffic(traffic: Document, deployments: list[str]) -> dict[str, int]:
    """Validate the traffic split, in percent by deployment name.

    Returns:
        The same, with the deployments' names as they were created.

    Raises:
        ArmError: 400, if a deployment does not exist, a share is not 0 to 100, or the sum is neither 0 nor 100.
    """
    checked = _percentages("Traffic", traffic, deployments)
    if sum(checked.values()) not in (0, 100):
        raise bad_request(f"Traffic must add up to 0 or 100 percent, not {sum(checked.values())}.")
    return checked


def checked_mirror_traffic(mirror: Document, traffic: dict[str, int], deployments: list[str]) -> dict[str, int]:
    """Validate the mirrored traffic, in percent by deployment name.

    The rules are the service's, see the section on mirrored traffic of
    https://learn.microsoft.com/azure/machine-learning/how-to-safely-rollout-online-endpoints

    Returns:
        The same, with the deployments' names as they were created.

    Raises:
        ArmError: 400, if there are several, or one does not exist, gets live traffic or more than half.
    """
    checked = _percentages("Mirrored traffic", mirror, deployments)
    mirrored = [name for name, percent in checked.items() if percent]
    if len(mirrored) > 1:
        raise bad_request(f"Traffic can be mirrored to one deployment only, not to {', '.join(mirrored)}.")
    if sum(checked.values()) > MOST_MIRRORED:
        raise bad_request(f"At most {MOST_MIRRORED} percent can be mirrored, not {sum(checked.values())}.")
    if mirrored and traffic.get(mirrored[0]):
        raise bad_request(f"The deployment {mirrored[0]} gets live traffic: it cannot get mirrored traffic as well.")
    return checked


def _percentages(what: str, shares: Document, deployments: list[str]) -> dict[str, int]:
    names = {name.lower(): name for name in deployments}
    checked: dict[str, int] = {}
    for name, percent in shares.items():
        if name.lower() not in names:
            raise bad_request(f"{what} names the deployment {name!r}, which the endpoint does not have.")
        if isinstance(percent, bool) or not isinstance(percent, int) or not 0 <= percent <= 100:
            raise bad_request(f"{what} of {name!r} must be a whole number from 0 to 100, not {percent!r}.")
        checked[names[name.lower()]] = percent
    return checked


async def delete(request: Request) -> Response:
    """DELETE an endpoint with its deployments and cancel their operations."""
    if context_of(request).store.get(arm_path(request)) is None:
        return Response(status_code=204)
    return start_delete(request, DELETE, Kind.ONLINE_ENDPOINT)


async def list_keys(request: Request) -> Response:
    """Return the endpoint's keys; null for both without authMode Key (recorded 2025)."""
    endpoint = get_resource(request, parent(arm_path(request)))
    keys = _keys(request, endpoint) if endpoint["properties"]["authMode"] == "Key" else None
    return JSONResponse(
        {"primaryKey": keys.primary if keys else None, "secondaryKey": keys.secondary if keys else None}
    )


async def regenerate_keys(request: Request) -> Response:
    """Replace one key; the old one is invalid at once."""
    context = context_of(request)
    endpoint = get_resource(request, parent(arm_path(request)))
    if endpoint["properties"]["authMode"] != "Key":
        raise bad_request("Keys are for endpoints with authMode Key.")
    keys = _keys(request, endpoint)
    body = await read_body(request)
    # The SDK sends the old key along; a request for a new key cannot mean to keep it.
    asked = _key(body, "keyValue")
    new = _new_key() if asked in (keys.primary, keys.secondary) else asked
    match str(body.get("keyType")).lower():
        case "primary":
            keys = EndpointKeys(new, keys.secondary)
        case "secondary":
            keys = EndpointKeys(keys.primary, new)
        case _:
            raise bad_request("'keyType' must be Primary or Secondary.")
    context.store.put_keys(endpoint["id"], keys)
    return accepted(request, context.operations.start(REGENERATE_KEYS, endpoint["id"]), Kind.ONLINE_ENDPOINT)


async def issue_token(request: Request) -> Response:
    """Return a token for an endpoint with authMode AMLToken."""
    context = context_of(request)
    endpoint = get_resource(request, parent(arm_path(request)))
    if endpoint["properties"]["authMode"] != "AMLToken":
        raise bad_request("Tokens are for endpoints with authMode AMLToken.")
    expiry = int(time.time()) + context.settings.token_seconds
    return JSONResponse(
        {
            "accessToken": context.tokens.issue(endpoint["properties"]["scoringUri"]),
            "tokenType": "Bearer",
            "expiryTimeUtc": expiry,
            "refreshAfterTimeUtc": expiry - context.settings.token_seconds // 2,
        }
    )


def _give_address(context: Context, endpoint_id: str) -> None:
    endpoint = context.store.get(endpoint_id)
    if endpoint is None:
        return
    address = _address(context, endpoint["name"].lower(), on_kubernetes=bool(endpoint["properties"]["compute"]))
    context.store.set_properties(endpoint_id, scoringUri=f"{address}/score", swaggerUri=f"{address}/swagger.json")


def renew_cluster_addresses(context: Context) -> None:
    """Write the addresses of endpoints on Kubernetes anew: their port is another one after each start."""
    for endpoint in context.store.list_collection(f"{context.settings.workspace_id}/onlineEndpoints"):
        if endpoint["properties"]["compute"] and endpoint["properties"]["scoringUri"]:
            _give_address(context, endpoint["id"])


def _address(context: Context, endpoint: str, *, on_kubernetes: bool) -> str:
    """Return an endpoint's base URL: a host of its own, or the cluster's shared one."""
    if on_kubernetes:
        return kubernetes.base_address(endpoint, context.cluster_port)
    return f"https://{endpoint}.{context.settings.location}.inference.ml.azure.com"


def _keys(request: Request, endpoint: Document) -> EndpointKeys:
    keys = context_of(request).store.get_keys(endpoint["id"])
    assert keys is not None  # noqa: S101 - made with the endpoint
    return keys


def _new_identity(identity: Document, context: Context) -> Document:
    assigned = {
        resource: {"principalId": str(uuid.uuid4()), "clientId": str(uuid.uuid4())}
        for resource in object_in(identity, "userAssignedIdentities")
    }
    return {
        "type": spelled(identity["type"], IDENTITY_TYPES),
        "principalId": str(uuid.uuid4()),
        "tenantId": context.settings.tenant_id,
        **({"userAssignedIdentities": assigned} if assigned else {}),
    }


def _key(body: Document, name: str) -> str:
    given = body.get(name) or _new_key()
    if not isinstance(given, str):
        raise bad_request(f"{name!r} must be a string.")
    return given


def _new_key() -> str:
    return secrets.token_urlsafe(24)


routes = [
    Route("/onlineEndpoints", list_endpoints),
    Route("/onlineEndpoints/{endpoint}", get, methods=["GET"]),
    Route("/onlineEndpoints/{endpoint}", put, methods=["PUT"]),
    Route("/onlineEndpoints/{endpoint}", delete, methods=["DELETE"]),
    Route("/onlineEndpoints/{endpoint}/listKeys", list_keys, methods=["POST"]),
    Route("/onlineEndpoints/{endpoint}/regenerateKeys", regenerate_keys, methods=["POST"]),
    Route("/onlineEndpoints/{endpoint}/token", issue_token, methods=["POST"]),
]
