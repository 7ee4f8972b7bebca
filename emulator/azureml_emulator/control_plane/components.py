"""Components: the commands and pipelines that jobs are made of."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message

from azureml_emulator.arm.errors import bad_request, not_emulated, not_found
from azureml_emulator.arm.resources import object_in
from azureml_emulator.context import context_of
from azureml_emulator.control_plane.assets import AssetKind
from azureml_emulator.control_plane.http import read_resource
from azureml_emulator.control_plane.lookup import arm_path, parent
from azureml_emulator.jobs.assets import DEFAULT_VERSION, newest_version
from azureml_emulator.jobs.graph import read_component_graph
from azureml_emulator.jobs.specs import check_io_name, check_text, read_variables
from azureml_emulator.scoring.curated_environments import find_curated
from azureml_emulator.store import Document

TYPES = ("command", "pipeline")
ORIGIN = ("_source", "id", "creation_context")


def _complete(properties: Document) -> Document:
    spec = properties.get("componentSpec")
    if not isinstance(spec, dict):
        raise bad_request("A component needs a 'componentSpec'.")
    if spec.get("type") not in TYPES:
        raise not_emulated(f"a component of type {spec.get('type')!r}: only {' and '.join(TYPES)}")
    if spec["type"] == "command":
        if not all(isinstance(spec.get(name), str) for name in ("command", "environment")):
            raise bad_request("The componentSpec of a command needs a 'command' and an 'environment'.")
        check_text(spec["command"])
        read_variables(object_in(spec, "environment_variables"))
        if not isinstance(spec.get("code") or "", str):
            raise bad_request("The 'code' of a componentSpec must be an id.")
    for kind in ("inputs", "outputs"):
        declarations = object_in(spec, kind)
        for name in declarations:
            check_io_name(name)
            if not isinstance(object_in(declarations, name).get("type"), str):
                raise bad_request(f"{name!r} of the componentSpec's {kind} has no 'type'.")
    return properties


_KIND = AssetKind("components", immutable=("componentSpec",), complete=_complete)


async def put_version(request: Request) -> Response:
    """Register a version; an anonymous one that exists is returned unchanged.

    Clients name anonymous components after their content.
    """
    store = context_of(request).store
    body, properties = await read_resource(request)
    version_id, anonymous = arm_path(request), bool(properties.get("isAnonymous"))
    if anonymous and (previous := store.get(version_id)):
        return JSONResponse(previous)
    spec = _complete(properties)["componentSpec"]
    if spec["type"] == "pipeline":
        read_component_graph(store, spec)
    elif curated := find_curated(store, spec["environment"]):
        spec["environment"] = curated["id"]
    # Clients that leave the version to the service read it here.
    properties["componentSpec"] = {**_content(spec), "version": request.path_params["version"]}
    response = await _KIND.put_version(_with_body(request, body))
    if anonymous:
        # Clients do not show the container of anonymous components.
        store.set_properties(parent(parent(version_id)), isArchived=True)
    return response


def _content(spec: Document) -> Document:
    """Return a spec without the fields that only say where the client got it."""
    content = {name: value for name, value in spec.items() if name not in ORIGIN}
    if jobs := object_in(content, "jobs"):
        content["jobs"] = {name: _content(object_in(jobs, name)) for name in jobs}
    return content


def _with_body(request: Request, body: Document) -> Request:
    async def receive() -> Message:
        return {"type": "http.request", "body": json.dumps(body).encode()}

    return Request(request.scope, receive)


async def get_version(request: Request) -> Response:
    """GET a version; `azureml_default` selects the default one."""
    store = context_of(request).store
    path = arm_path(request)
    default = request.path_params["version"] == DEFAULT_VERSION
    version = newest_version(store, parent(parent(path))) if default else store.get(path)
    if version is None:
        raise not_found(path)
    return JSONResponse(version)


VERSION = "/components/{name}/versions/{version}"
routes = [
    Route(VERSION, get_version, methods=["GET"]),
    Route(VERSION, put_version, methods=["PUT"]),
    *_KIND.routes(),
]
