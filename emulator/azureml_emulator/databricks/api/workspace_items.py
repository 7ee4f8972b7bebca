"""Workspace items: import and export notebooks and files."""

from __future__ import annotations

import base64

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from azureml_emulator.context import context_of
from azureml_emulator.databricks.api import requests
from azureml_emulator.databricks.errors import invalid, not_emulated

EXPORTED = ("SOURCE", "JUPYTER", "AUTO", "RAW")


async def import_item(request: Request) -> Response:
    """Import a notebook or file."""
    if request.headers.get("content-type", "").startswith("multipart/"):
        raise not_emulated("the import of a form (multipart/form-data); send JSON with the content in base64")
    asked = await requests.read(request)
    try:
        content = base64.b64decode(requests.optional_text(asked, "content") or "", validate=True)
    except ValueError:
        raise invalid("content must be base64.") from None
    context_of(request).databricks.items.put(
        requests.text(asked, "path"),
        content,
        requests.optional_text(asked, "format") or "SOURCE",
        requests.optional_text(asked, "language"),
        overwrite=requests.flag(asked, "overwrite"),
    )
    return JSONResponse({})


async def export(request: Request) -> Response:
    """Export a notebook or file."""
    asked = await requests.read(request)
    form = requests.optional_text(asked, "format") or "SOURCE"
    if form not in EXPORTED:
        raise not_emulated(f"the export format {form}")
    content, kind = context_of(request).databricks.items.content(requests.text(asked, "path"), form)
    if requests.flag(asked, "direct_download"):
        return Response(content, media_type="application/octet-stream")
    return JSONResponse({"content": base64.b64encode(content).decode(), "file_type": kind})


async def get_status(request: Request) -> Response:
    """Get an item without its content."""
    asked = await requests.read(request)
    return JSONResponse(context_of(request).databricks.items.show(requests.text(asked, "path")))


async def list_items(request: Request) -> Response:
    """List the items in a folder."""
    asked = await requests.read(request)
    items = context_of(request).databricks.items.list(requests.text(asked, "path"))
    return JSONResponse({"objects": items} if items else {})


async def make_folders(request: Request) -> Response:
    """Create a folder and those above it."""
    asked = await requests.read(request)
    context_of(request).databricks.items.make_folders(requests.text(asked, "path"))
    return JSONResponse({})


async def delete(request: Request) -> Response:
    """Delete an item."""
    asked = await requests.read(request)
    recursive = requests.flag(asked, "recursive")
    context_of(request).databricks.items.delete(requests.text(asked, "path"), recursive=recursive)
    return JSONResponse({})


routes: list[BaseRoute] = [
    Route("/import", import_item, methods=["POST"]),
    Route("/export", export),
    Route("/get-status", get_status),
    Route("/list", list_items),
    Route("/mkdirs", make_folders, methods=["POST"]),
    Route("/delete", delete, methods=["POST"]),
]
