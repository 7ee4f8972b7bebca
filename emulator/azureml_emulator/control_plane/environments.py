"""Environments: an image with a conda file, a build context, or a curated one."""

from __future__ import annotations

import json

import yaml
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.arm.errors import bad_request
from azureml_emulator.arm.resources import new_resource, object_in, text_in
from azureml_emulator.context import Context, context_of
from azureml_emulator.control_plane.assets import EMPTY, NEW_VERSION, AssetKind, stage_of
from azureml_emulator.control_plane.listing import page
from azureml_emulator.control_plane.lookup import arm_path
from azureml_emulator.scoring.curated_environments import LATEST, find_stand_in, without_prefix
from azureml_emulator.store import Document

OS_TYPES = {"linux": "Linux", "windows": "Windows"}


def _complete(_context: Context, _version_id: str, properties: Document, previous: Document) -> Document:
    image, build = text_in(properties, "image"), object_in(properties, "build")
    if not image and not build:
        raise bad_request("An environment needs an 'image' or a 'build' context.")
    system = text_in(properties, "osType") or "Linux"
    return {
        "properties": {"azureml.labels": "", **object_in(properties, "properties")},
        "autoDeleteSetting": None,
        "environmentType": "UserCreated",
        **({"image": image} if image else {}),
        "condaFile": _as_json(text_in(properties, "condaFile")),
        **({"build": {**build, "dockerfilePath": build.get("dockerfilePath") or "Dockerfile"}} if build else {}),
        "osType": OS_TYPES.get(system.lower(), system),
        "autoRebuild": "Disabled",
        "provisioningState": "Succeeded",
        "stage": stage_of(properties, previous),
        "intellectualProperty": None,
    }


def _as_json(conda_file: str | None) -> str:
    """Return a conda file as JSON text (recorded 2022 to 2024); "" without one."""
    if not conda_file:
        return ""
    try:
        return json.dumps(yaml.safe_load(conda_file), indent=2, default=str)
    except (yaml.YAMLError, RecursionError) as error:
        raise bad_request(f"The conda file is not YAML: {' '.join(str(error).split())}.") from None


_KIND = AssetKind(
    "environments",
    immutable=("image", "condaFile", "build"),
    complete=_complete,
    page_size=100,
    empty={**EMPTY, "description": ""},
    created_again=True,
)


async def get_version(request: Request) -> Response:
    """GET a version, the workspace's own or a curated one."""
    if context_of(request).store.get(arm_path(request)) is None and _is_curated(request):
        return JSONResponse(_curated(arm_path(request)))
    return await _KIND.get(request)


async def list_versions(request: Request) -> Response:
    """List versions; of a curated environment the one that its label `latest` selects."""
    if not context_of(request).store.list_collection(arm_path(request)) and _is_curated(request):
        return page(request, [_curated(f"{arm_path(request)}/{LATEST}")], _KIND.page_size)
    return await _KIND.list_versions(request)


def _is_curated(request: Request) -> bool:
    name = request.path_params["name"]
    return without_prefix(name) != name and find_stand_in(name) is not None


def _curated(version_id: str) -> Document:
    """Return a curated environment as its workspace shows it: without its image (recorded 2022)."""
    properties = {
        **NEW_VERSION,
        "autoDeleteSetting": None,
        "environmentType": "Curated",
        "condaFile": "",
        "osType": "Linux",
        "autoRebuild": "Disabled",
        "provisioningState": "Succeeded",
        "stage": "Development",
        "intellectualProperty": None,
    }
    return new_resource(version_id, properties)


routes = [
    Route("/environments/{name}/versions/{version}", get_version, methods=["GET"]),
    Route("/environments/{name}/versions", list_versions, methods=["GET"]),
    *_KIND.routes(),
]
