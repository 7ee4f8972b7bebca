"""Files and folders in volumes and in the workspace: upload, download, list, delete.

Large files go in parts to presigned addresses. On Azure these are the storage account's; here they are on this host.
"""

from __future__ import annotations

import re
import secrets
from email.utils import formatdate
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from azureml_emulator.context import Context, context_of
from azureml_emulator.databricks.api import requests
from azureml_emulator.databricks.errors import DatabricksError, invalid, not_emulated
from azureml_emulator.databricks.service import Databricks
from azureml_emulator.databricks.uploads import place

UPLOADS, DOWNLOADS = "/presigned/uploads", "/presigned/downloads"
PART_NUMBERS = 10_000
PAGE = 1000
RANGE = re.compile(r"bytes=\d*-\d*")


async def upload(request: Request) -> Response:
    """Upload a file in one request."""
    databricks, path = context_of(request).databricks, _path(request)
    target = databricks.paths.volume(path)
    _refuse_existing(target, path, request)
    token = databricks.uploads.begin(target)
    try:
        part = databricks.uploads.get(token).part(1)
        await _receive(request, part)
        place(part, target)
    finally:
        databricks.uploads.end(token)
    return Response(status_code=204)


async def change_upload(request: Request) -> Response:
    """Begin an upload in parts, or complete it."""
    databricks, path = context_of(request).databricks, _path(request)
    target = databricks.paths.volume(path)
    action = request.query_params.get("action")
    if action == "initiate-upload":
        _refuse_existing(target, path, request)
        return JSONResponse({"multipart_upload": {"session_token": databricks.uploads.begin(target)}})
    if action != "complete-upload":
        raise not_emulated(f"the action {action!r} on a file")
    token = requests.text(dict(request.query_params), "session_token")
    begun = databricks.uploads.get(token)
    parts = requests.objects(await requests.read(request), "parts")
    numbers = sorted(requests.integer(part, "part_number") for part in parts)
    if not numbers:
        raise invalid("The upload has no parts.")
    if len(set(numbers)) < len(numbers):
        raise invalid("A part of the upload is named twice.")
    begun.complete(numbers)
    databricks.uploads.end(token)
    return JSONResponse({})


async def create_part_urls(request: Request) -> Response:
    """Create the addresses of some parts of an upload."""
    context = context_of(request)
    asked = await requests.read(request)
    token = requests.text(asked, "session_token")
    context.databricks.uploads.get(token)
    first, count = requests.integer(asked, "start_part_number"), requests.integer(asked, "count")
    if not (first > 0 and count > 0 and first + count - 1 <= PART_NUMBERS):
        raise invalid(f"Part numbers are from 1 to {PART_NUMBERS}.")
    urls = [
        {"url": _url(context, f"{UPLOADS}/{token}/{number}"), "part_number": number, "headers": []}
        for number in range(first, first + count)
    ]
    return JSONResponse({"upload_part_urls": urls})


async def create_abort_url(request: Request) -> Response:
    """Create the address that ends an upload without its file."""
    context = context_of(request)
    token = requests.text(await requests.read(request), "session_token")
    return JSONResponse({"abort_upload_url": {"url": _url(context, f"{UPLOADS}/{token}"), "headers": []}})


async def upload_part(request: Request) -> Response:
    """Upload a part to its address."""
    begun = context_of(request).databricks.uploads.get(request.path_params["token"])
    number = requests.integer(request.path_params, "number")
    if not 0 < number <= PART_NUMBERS:
        raise invalid(f"Part numbers are from 1 to {PART_NUMBERS}.")
    await _receive(request, begun.part(number))
    return Response(status_code=201)


async def abort_upload(request: Request) -> Response:
    """End an upload without its file."""
    context_of(request).databricks.uploads.end(request.path_params["token"])
    return Response(status_code=204)


async def create_download_url(request: Request) -> Response:
    """Create an address that shows a file without a token."""
    context, path = context_of(request), request.query_params.get("path", "")
    _existing_file(context.databricks, path)
    token = secrets.token_urlsafe(24)
    context.databricks.downloads[token] = path
    return JSONResponse({"url": _url(context, f"{DOWNLOADS}/{token}"), "headers": []})


async def download_presigned(request: Request) -> Response:
    """Download a file from its address."""
    databricks = context_of(request).databricks
    path = databricks.downloads.get(request.path_params["token"])
    if path is None:
        raise DatabricksError(403, "PERMISSION_DENIED", "The address is not valid.")
    return _send(_existing_file(databricks, path), request)


async def download(request: Request) -> Response:
    """Download a file, or with HEAD only its size and time."""
    return _send(_existing_file(context_of(request).databricks, _path(request)), request)


async def delete(request: Request) -> Response:
    """Delete a file."""
    _existing_file(context_of(request).databricks, _path(request)).unlink()
    return Response(status_code=204)


async def make_folder(request: Request) -> Response:
    """Create a folder and those above it."""
    path = _path(request)
    try:
        context_of(request).databricks.paths.volume(path).mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise _already_exists(path) from None
    return Response(status_code=204)


async def show_folder(request: Request) -> Response:
    """List a folder, or with HEAD only say that it exists; paged."""
    databricks, path = context_of(request).databricks, _path(request)
    folder = _existing_folder(databricks, path)
    if request.method == "HEAD":
        return Response(status_code=200)
    asked = dict(request.query_params)
    fields = {"limit": asked.get("page_size"), "page_token": asked.get("page_token")}
    found, following = requests.page(fields, databricks.paths.entries(folder), default=PAGE, most=PAGE)
    del following["has_more"]
    contents = []
    for each in found:
        status = each.stat()
        entry = {"name": each.name, "path": f"{path.rstrip('/')}/{each.name}", "is_directory": each.is_dir()}
        contents.append({**entry, "file_size": status.st_size, "last_modified": int(status.st_mtime * 1000)})
    return JSONResponse({**({"contents": contents} if contents else {}), **following})


async def delete_folder(request: Request) -> Response:
    """Delete an empty folder."""
    path = _path(request)
    folder = _existing_folder(context_of(request).databricks, path)
    if any(folder.iterdir()):
        raise DatabricksError(400, "DIRECTORY_NOT_EMPTY", f"The directory {path} is not empty.")
    folder.rmdir()
    return Response(status_code=204)


def _path(request: Request) -> str:
    return f"/{request.path_params['path']}"


def _url(context: Context, path: str) -> str:
    return f"https://{context.settings.databricks_host}{path}"


async def _receive(request: Request, file: Path) -> None:
    """Write a request's body into a file."""
    with file.open("wb") as output:
        async for chunk in request.stream():
            output.write(chunk)


def _send(file: Path, request: Request) -> Response:
    headers = {"last-modified": formatdate(file.stat().st_mtime, usegmt=True)}
    if (wanted := request.headers.get("range")) and not RANGE.fullmatch(wanted):
        raise invalid(f"The range {wanted!r} is not emulated.")
    return FileResponse(file, media_type="application/octet-stream", headers=headers)


def _refuse_existing(target: Path, path: str, request: Request) -> None:
    """Refuse to replace a file if the client does not want that; it is the default.

    Raises:
        DatabricksError: 400 for a folder, 409 for a file.
    """
    if target.is_dir():
        raise invalid(f"Invalid path: {path}: it is a directory.")
    if target.exists() and request.query_params.get("overwrite", "true").lower() == "false":
        raise _already_exists(path)


def _already_exists(path: str) -> DatabricksError:
    return DatabricksError(409, "ALREADY_EXISTS", f"The file {path} being created already exists.")


def _existing_file(databricks: Databricks, path: str) -> Path:
    file = databricks.paths.volume(path)
    if not file.is_file():
        raise DatabricksError(404, "NOT_FOUND", f"The file {path} being accessed is not found.")
    return file


def _existing_folder(databricks: Databricks, path: str) -> Path:
    folder = databricks.paths.volume(path)
    if not folder.is_dir():
        raise DatabricksError(404, "NOT_FOUND", f"The directory {path} being accessed is not found.")
    return folder


routes: list[BaseRoute] = [
    Route("/files/{path:path}", upload, methods=["PUT"]),
    Route("/files/{path:path}", change_upload, methods=["POST"]),
    Route("/files/{path:path}", download),
    Route("/files/{path:path}", delete, methods=["DELETE"]),
    Route("/directories/{path:path}", make_folder, methods=["PUT"]),
    Route("/directories/{path:path}", show_folder),
    Route("/directories/{path:path}", delete_folder, methods=["DELETE"]),
    Route("/create-upload-part-urls", create_part_urls, methods=["POST"]),
    Route("/create-abort-upload-url", create_abort_url, methods=["POST"]),
    Route("/create-download-url", create_download_url, methods=["POST"]),
]
presigned_routes: list[BaseRoute] = [
    Route(f"{UPLOADS}/{{token}}/{{number}}", upload_part, methods=["PUT"]),
    Route(f"{UPLOADS}/{{token}}", abort_upload, methods=["DELETE"]),
    Route(f"{DOWNLOADS}/{{token}}", download_presigned),
]
"""Routes whose address is the permission."""
