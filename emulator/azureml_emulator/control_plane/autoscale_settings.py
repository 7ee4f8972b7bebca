"""Azure Monitor autoscale settings: stored and never applied.

They stay when their deployment is deleted.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.context import services
from azureml_emulator.control_plane.arm import ArmError, bad_request, object_in, read_resource
from azureml_emulator.control_plane.lookup import arm_path, get_resource

COLLECTION = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Insights/autoscalesettings"


async def list_settings(request: Request) -> Response:
    """List the settings of the resource group."""
    _check_group(request)
    return JSONResponse({"value": services(request).store.list_collection(arm_path(request))})


async def get(request: Request) -> Response:
    """GET a setting."""
    _check_group(request)
    return JSONResponse(get_resource(request, arm_path(request)))


async def put(request: Request) -> Response:
    """Create or replace a setting."""
    _check_group(request)
    store = services(request).store
    body, properties = await read_resource(request)
    name = request.path_params["name"]
    if not isinstance(body.get("location"), str):
        raise bad_request("An autoscale setting needs a 'location'.")
    if not isinstance(properties.get("profiles"), list) or not properties["profiles"]:
        raise bad_request("An autoscale setting needs 'profiles'.")
    previous = store.get(arm_path(request))
    setting = {
        "id": arm_path(request),
        "name": name,
        "type": "Microsoft.Insights/autoscaleSettings",
        "location": body["location"],
        "tags": object_in(body, "tags"),
        "properties": {**properties, "name": properties.get("name") or name},
    }
    store.put(setting)
    return JSONResponse(setting, 200 if previous else 201)


async def delete(request: Request) -> Response:
    """DELETE a setting."""
    _check_group(request)
    store = services(request).store
    was_there = store.get(arm_path(request)) is not None
    store.delete(arm_path(request))
    return Response(status_code=200 if was_there else 204)


def _check_group(request: Request) -> None:
    settings, names = services(request).settings, request.path_params
    if names["subscription"] != settings.subscription_id or names["group"].lower() != settings.resource_group.lower():
        raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{names['group']}' could not be found.")


routes = [
    Route(COLLECTION, list_settings),
    Route(f"{COLLECTION}/{{name}}", get, methods=["GET"]),
    Route(f"{COLLECTION}/{{name}}", put, methods=["PUT"]),
    Route(f"{COLLECTION}/{{name}}", delete, methods=["DELETE"]),
]
