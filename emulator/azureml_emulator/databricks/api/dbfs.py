"""DBFS: files in blocks of at most 1 MiB, in base64."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from azureml_emulator.context import context_of
from azureml_emulator.databricks.api import requests
from azureml_emulator.databricks.errors import DatabricksError, already_exists, invalid
from azureml_emulator.databricks.service import Databricks
from azureml_emulator.store import Document

BLOCK_BYTES = 1024 * 1024


async def create(request: Request) -> Response:
    """Begin a file; return the handle of its upload."""
    databricks = context_of(request).databricks
    asked = await requests.read(request)
    target = _new_file(databricks, asked)
    handle = databricks.new_handle(databricks.uploads.begin(target))
    return JSONResponse({"handle": handle})


async def add_block(request: Request) -> Response:
    """Add a block to an upload."""
    databricks = context_of(request).databricks
    asked = await requests.read(request)
    upload = databricks.uploads.get(_token(databricks, asked))
    with upload.part(1).open("ab") as file:
        file.write(_block(asked, "data"))
    return JSONResponse({})


async def close(request: Request) -> Response:
    """End an upload: the file appears."""
    databricks = context_of(request).databricks
    asked = await requests.read(request)
    token = _token(databricks, asked)
    upload = databricks.uploads.get(token)
    upload.part(1).touch()
    upload.complete([1])
    databricks.uploads.end(token)
    del databricks.handles[requests.integer(asked, "handle")]
    return JSONResponse({})


async def put(request: Request) -> Response:
    """Write a file in one request."""
    asked = await requests.read(request)
    databricks = context_of(request).databricks
    token = databricks.uploads.begin(_new_file(databricks, asked))
    try:
        upload = databricks.uploads.get(token)
        upload.part(1).write_bytes(_block(asked, "contents"))
        upload.complete([1])
    finally:
        databricks.uploads.end(token)
    return JSONResponse({})


async def read_block(request: Request) -> Response:
    """Read a block of a file."""
    databricks = context_of(request).databricks
    asked = await requests.read(request)
    local = _existing(databricks, asked)
    if not local.is_file():
        raise invalid(f"{asked['path']} is a directory.")
    offset, length = requests.optional_integer(asked, "offset") or 0, requests.optional_integer(asked, "length")
    length = BLOCK_BYTES // 2 if length is None else length
    if offset < 0 or length < 0 or length > BLOCK_BYTES:
        raise DatabricksError(400, "MAX_READ_SIZE_EXCEEDED", f"At most {BLOCK_BYTES} bytes are read at a time.")
    with local.open("rb") as file:
        file.seek(offset)
        content = file.read(length)
    return JSONResponse({"bytes_read": len(content), "data": base64.b64encode(content).decode()})


async def get_status(request: Request) -> Response:
    """Get a file or folder without its content."""
    databricks = context_of(request).databricks
    asked = await requests.read(request)
    return JSONResponse(_show(databricks, _existing(databricks, asked)))


async def list_items(request: Request) -> Response:
    """List a folder; of a file, itself."""
    databricks = context_of(request).databricks
    local = _existing(databricks, await requests.read(request))
    found = databricks.paths.entries(local) if local.is_dir() else [local]
    return JSONResponse({"files": [_show(databricks, each) for each in found]} if found else {})


async def make_folders(request: Request) -> Response:
    """Create a folder and those above it."""
    asked = await requests.read(request)
    path = requests.text(asked, "path")
    try:
        context_of(request).databricks.paths.dbfs(path).mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise already_exists(f"A file at or above {path}") from None
    return JSONResponse({})


async def delete(request: Request) -> Response:
    """Delete a file or folder; a missing one is deleted already."""
    asked = await requests.read(request)
    path = requests.text(asked, "path")
    local = context_of(request).databricks.paths.dbfs(path)
    if local.is_dir():
        if any(local.iterdir()) and not requests.flag(asked, "recursive"):
            raise DatabricksError(400, "IO_ERROR", f"The directory {path} is not empty; set recursive.")
        shutil.rmtree(local)
        context_of(request).databricks.paths.create()  # the root, if it was that
    else:
        local.unlink(missing_ok=True)
    return JSONResponse({})


def _new_file(databricks: Databricks, asked: Document) -> Path:
    path = requests.text(asked, "path")
    target = databricks.paths.dbfs(path)
    if target.is_dir() or (target.exists() and not requests.flag(asked, "overwrite")):
        raise already_exists(f"A file or directory at {path}")
    return target


def _existing(databricks: Databricks, asked: Document) -> Path:
    path = requests.text(asked, "path")
    local = databricks.paths.dbfs(path)
    if not local.exists():
        raise DatabricksError(404, "RESOURCE_DOES_NOT_EXIST", f"No file or directory exists on path {path}.")
    return local


def _token(databricks: Databricks, asked: Document) -> str:
    handle = requests.integer(asked, "handle")
    if handle not in databricks.handles:
        raise DatabricksError(404, "RESOURCE_DOES_NOT_EXIST", f"No open handle exists with id: {handle}")
    return databricks.handles[handle]


def _block(asked: Document, name: str) -> bytes:
    try:
        content = base64.b64decode(requests.optional_text(asked, name) or "", validate=True)
    except ValueError:
        raise invalid(f"{name} must be base64.") from None
    if len(content) > BLOCK_BYTES:
        raise DatabricksError(400, "MAX_BLOCK_SIZE_EXCEEDED", f"A block has at most {BLOCK_BYTES} bytes.")
    return content


def _show(databricks: Databricks, local: Path) -> Document:
    path = databricks.paths.hide(str(local))
    status = local.stat()
    return {
        "path": path.removeprefix("/dbfs") or "/",
        "is_dir": local.is_dir(),
        "file_size": 0 if local.is_dir() else status.st_size,
        "modification_time": int(status.st_mtime * 1000),
    }


routes: list[BaseRoute] = [
    Route("/create", create, methods=["POST"]),
    Route("/add-block", add_block, methods=["POST"]),
    Route("/close", close, methods=["POST"]),
    Route("/put", put, methods=["POST"]),
    Route("/read", read_block),
    Route("/get-status", get_status),
    Route("/list", list_items),
    Route("/mkdirs", make_folders, methods=["POST"]),
    Route("/delete", delete, methods=["POST"]),
]
