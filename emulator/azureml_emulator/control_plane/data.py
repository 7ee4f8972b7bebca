"""Data assets: files, folders and tables in the blob store."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from azureml_emulator.arm.errors import bad_request
from azureml_emulator.context import context_of
from azureml_emulator.control_plane.assets import AssetKind
from azureml_emulator.control_plane.http import read_resource
from azureml_emulator.control_plane.lookup import arm_path, parent
from azureml_emulator.store import Document

TYPES = ("uri_file", "uri_folder", "mltable")


def _complete(properties: Document) -> Document:
    if not isinstance(properties.get("dataUri"), str):
        raise bad_request("A data asset needs a 'dataUri'.")
    if properties.get("dataType") not in TYPES:
        raise bad_request(f"'dataType' must be one of {', '.join(TYPES)}, not {properties.get('dataType')!r}.")
    return properties


_KIND = AssetKind("data", immutable=("dataUri", "dataType"), complete=_complete)


async def put_version(request: Request) -> Response:
    """Create or change a version; its container has the same type."""
    _, properties = await read_resource(request)
    response = await _KIND.put_version(request)
    context_of(request).store.set_properties(parent(parent(arm_path(request))), dataType=properties["dataType"])
    return response


routes = [Route("/data/{name}/versions/{version}", put_version, methods=["PUT"]), *_KIND.routes()]
