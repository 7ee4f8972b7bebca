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
from azureml_emulator.arm.resources import new_resource, object_in, text_in
from azureml_emulator.arm.transitions import State
from azureml_emulator.context import Context, context_of
from azureml_emulator.control_plane import kubernetes
from azureml_emulator.control_plane.http import read_body, read_resource
from azureml_emulator.control_plane.long_running import accepted
from azureml_emulator.control_plane.lookup import arm_path, check_name, get_resource, parent
from azureml_emulator.control_plane.provisioning import refuse_unprovisioned_endpoint
from azureml_emulator.store import Document, EndpointKeys

NAME_PATTERN = r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]"
NAME_RULE = "3 to 32 letters, digits and '-', a letter first, no '-' last"
AUTH_MODES = {"key": "Key", "amltoken": "AMLToken", "aadtoken": "AADToken"}
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
    """Create or replace an endpoint; whatever the body omits is reset, traffic too."""
    context = context_of(request)
    endpoint_id = arm_path(request)
    name = request.path_params["endpoint"]
    check_name("an online endpoint", name, NAME_PATTERN, NAME_RULE)
    body, properties = await read_resource(request)
    previous = context.store.get(endpoint_id)
    state = context.transitions.begin_put(previous)
    refuse_unprovisioned_endpoint(context, previous, PUT)
    auth_mode = AUTH_MODES.get(str(properties.get("authMode")).lower())
    if auth_mode is None:
        raise bad_request("'authMode' must be Key, AMLToken or AADToken.")
    identity = object_in(body, "identity") or {"type": "SystemAssigned"}
    if not text_in(identity, "type"):
        raise bad_request("An endpoint's identity needs a 'type'.")
    if previous and previous["identity"]["type"].lower() != identity["type"].lower():
        raise bad_request("The identity of an endpoint cannot change after its creation.")
    deployments = [deployment["name"] for deployment in context.store.list_collection(f"{endpoint_id}/deployments")]
    traffic = checked_traffic(object_in(properties, "traffic"), deployments)
    asked = properties.get("compute")
    compute = kubernetes.checked_compute(context.store, asked) if asked else None
    compute_id = compute["id"] if compute else None
    if previous and previous["properties"]["compute"] != compute_id:
        raise bad_request("The compute of an endpoint cannot change after its creation.")
    if compute and auth_mode == "AADToken":
        raise bad_request("AADToken is for managed endpoints: on Kubernetes, 'authMode' must be Key or AMLToken.")
    mirror_traffic = object_in(properties, "mirrorTraffic")
    if compute and any(mirror_traffic.values()):
        raise bad_request("Traffic of an endpoint on Kubernetes cannot be mirrored, only that of a managed endpoint.")
    mirror_traffic = checked_mirror_traffic(mirror_traffic, traffic, deployments)
    resource = new_resource(
        endpoint_id,
        {
            "description": properties.get("description"),
            "authMode": auth_mode,
            "properties": object_in(properties, "properties"),
            "traffic": traffic,
            "mirrorTraffic": mirror_traffic,
            "publicNetworkAccess": properties.get("publicNetworkAccess") or "Enabled",
            "compute": compute_id,
            # A new endpoint has no address until it is provisioned.
            "scoringUri": previous["properties"]["scoringUri"] if previous else None,
            "swaggerUri": previous["properties"]["swaggerUri"] if previous else None,
            "provisioningState": state,
        },
        previous=previous,
        location=body.get("location") or context.settings.location,
        tags=object_in(body, "tags"),
        kind=body.get("kind") or ("K8S" if compute else "Managed"),
        identity=previous["identity"] if previous else _new_identity(identity, context),
    )
    given = object_in(properties, "keys")
    keys = EndpointKeys(_key(given, "primaryKey"), _key(given, "secondaryKey"))
    context.store.put(resource)
    if previous is None:
        context.store.put_keys(endpoint_id, keys)
    operation = context.operations.start(PUT, endpoint_id)
    return accepted(request, operation, resource, 200 if previous else 201)


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


async def list_endpoints(request: Request) -> Response:
    """List endpoints."""
    return JSONResponse({"value": context_of(request).store.list_collection(arm_path(request))})


async def get(request: Request) -> Response:
    """GET an endpoint."""
    return JSONResponse(get_resource(request, arm_path(request)))


async def delete(request: Request) -> Response:
    """DELETE an endpoint with its deployments and cancel their operations."""
    context = context_of(request)
    endpoint_id = arm_path(request)
    if context.store.get(endpoint_id) is None:
        return Response(status_code=204)
    context.operations.cancel(endpoint_id)
    context.transitions.move(endpoint_id, State.DELETING)
    return accepted(request, context.operations.start(DELETE, endpoint_id), None, 202)


async def list_keys(request: Request) -> Response:
    """Return the endpoint's keys."""
    keys = _keys(request)
    return JSONResponse({"primaryKey": keys.primary, "secondaryKey": keys.secondary})


async def regenerate_keys(request: Request) -> Response:
    """Replace one key; the old one is invalid at once."""
    context = context_of(request)
    keys = _keys(request)
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
    endpoint_id = parent(arm_path(request))
    context.store.put_keys(endpoint_id, keys)
    return accepted(request, context.operations.start(REGENERATE_KEYS, endpoint_id), None, 202)


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
            "expiryTimeUtc": expiry,
            "refreshAfterTimeUtc": expiry - context.settings.token_seconds // 2,
            "tokenType": "Bearer",
        }
    )


def _give_address(context: Context, endpoint_id: str) -> None:
    endpoint = context.store.get(endpoint_id)
    if endpoint is None:
        return
    compute_id = endpoint["properties"]["compute"]
    compute = context.store.get(compute_id) if compute_id else None
    address = _address(endpoint["name"].lower(), compute, context.settings.location)
    context.store.set_properties(endpoint_id, scoringUri=f"{address}/score", swaggerUri=f"{address}/swagger.json")


def _address(endpoint: str, compute: Document | None, location: str) -> str:
    """Return an endpoint's base URL: a host of its own, or the cluster's shared one."""
    if compute is None:
        return f"https://{endpoint}.{location}.inference.ml.azure.com"
    return f"https://{kubernetes.scoring_host(compute['name'], location)}/api/v1/endpoint/{endpoint}"


def _keys(request: Request) -> EndpointKeys:
    endpoint = get_resource(request, parent(arm_path(request)))
    if endpoint["properties"]["authMode"] != "Key":
        raise bad_request("Keys are for endpoints with authMode Key.")
    keys = context_of(request).store.get_keys(endpoint["id"])
    assert keys is not None  # noqa: S101 - made with the endpoint
    return keys


def _new_identity(identity: Document, context: Context) -> Document:
    if "SystemAssigned" in identity["type"]:
        return {**identity, "principalId": str(uuid.uuid4()), "tenantId": context.settings.tenant_id}
    return identity


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
