"""Models."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from azureml_emulator.context import services
from azureml_emulator.control_plane import assets
from azureml_emulator.control_plane.arm import ArmError, bad_request
from azureml_emulator.control_plane.lookup import arm_path, parent
from azureml_emulator.store import Document


def _complete(properties: Document) -> Document:
    if not isinstance(properties.get("modelUri"), str):
        raise bad_request("A model needs a 'modelUri'.")
    return {"modelType": "custom_model", "flavors": {}, "jobName": None, **properties}


async def get_container(request: Request) -> Response:
    """GET a model's container."""
    _check_container(request, arm_path(request))
    return await assets.get(request)


async def list_versions(request: Request) -> Response:
    """List the versions of a model; 404 for an unknown one."""
    _check_container(request, parent(arm_path(request)))
    return await assets.list_versions(request)


def _check_container(request: Request, container_id: str) -> None:
    if services(request).store.get(container_id) is None:
        name = request.path_params["name"]
        below = ArmError(404, "ModelNotFound", f"Model container with name: {name} not found.")
        raise ArmError(404, "UserError", "The specified resource was not found.", details=[below])


routes = [
    Route("/models/{name}", get_container, methods=["GET"]),
    Route("/models/{name}/versions", list_versions, methods=["GET"]),
    *assets.AssetKind("models", immutable=("modelUri", "modelType"), complete=_complete, files="modelUri").routes(),
]
