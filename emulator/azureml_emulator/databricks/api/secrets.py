"""Secret scopes and secrets; only runs read the values."""

from __future__ import annotations

import base64
import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from azureml_emulator.context import context_of
from azureml_emulator.databricks.api import requests
from azureml_emulator.databricks.errors import DatabricksError, invalid, not_emulated

NAME = re.compile(r"[\w.@-]{1,128}", re.ASCII)
SECRET_BYTES = 128 * 1024
PERMISSIONS = ("READ", "WRITE", "MANAGE")


async def create_scope(request: Request) -> Response:
    """Create a scope that Databricks itself keeps."""
    asked = await requests.read(request)
    if requests.optional_text(asked, "scope_backend_type") == "AZURE_KEYVAULT":
        raise not_emulated("secret scopes in Azure Key Vault")
    context_of(request).databricks.scopes.create(_name(asked.get("scope"), "scope"))
    return JSONResponse({})


async def list_scopes(request: Request) -> Response:
    """List the scopes."""
    names = context_of(request).databricks.scopes.names()
    return JSONResponse({"scopes": [{"name": name, "backend_type": "DATABRICKS"} for name in names]})


async def delete_scope(request: Request) -> Response:
    """Delete a scope with its secrets."""
    asked = await requests.read(request)
    context_of(request).databricks.scopes.delete(requests.text(asked, "scope"))
    return JSONResponse({})


async def put(request: Request) -> Response:
    """Add or replace a secret."""
    asked = await requests.read(request)
    value, content = requests.optional_text(asked, "string_value"), requests.optional_text(asked, "bytes_value")
    if (value is None) == (content is None):
        raise invalid("Exactly one of string_value and bytes_value is required.")
    if content is not None:
        try:
            value = base64.b64decode(content, validate=True).decode()
        except ValueError:
            raise invalid("bytes_value must be UTF-8 text in base64.") from None
    assert value is not None  # noqa: S101 - one of them was given
    if len(value.encode()) > SECRET_BYTES:
        raise DatabricksError(400, "MAX_SECRET_SIZE_EXCEEDED", f"A secret has at most {SECRET_BYTES} bytes.")
    scopes = context_of(request).databricks.scopes
    scopes.put(requests.text(asked, "scope"), _name(asked.get("key"), "key"), value)
    return JSONResponse({})


async def list_keys(request: Request) -> Response:
    """List the secrets of a scope without their values."""
    asked = await requests.read(request)
    return JSONResponse({"secrets": context_of(request).databricks.scopes.keys(requests.text(asked, "scope"))})


async def get(request: Request) -> Response:
    """Read a secret; only within a run."""
    scopes = context_of(request).databricks.scopes
    if not scopes.is_run_token(request.headers["authorization"].partition(" ")[2]):
        raise DatabricksError(400, "BAD_REQUEST", "A secret can only be read with dbutils.secrets.get within a run.")
    asked = await requests.read(request)
    key = requests.text(asked, "key")
    return JSONResponse({"key": key, "value": scopes.read(requests.text(asked, "scope"), key)})


async def delete(request: Request) -> Response:
    """Delete a secret."""
    asked = await requests.read(request)
    context_of(request).databricks.scopes.remove(requests.text(asked, "scope"), requests.text(asked, "key"))
    return JSONResponse({})


async def put_acl(request: Request) -> Response:
    """Set the permission of a user or group."""
    asked = await requests.read(request)
    permission = requests.text(asked, "permission")
    if permission not in PERMISSIONS:
        raise invalid(f"permission must be one of {', '.join(PERMISSIONS)}.")
    scopes = context_of(request).databricks.scopes
    scopes.set_permission(requests.text(asked, "scope"), requests.text(asked, "principal"), permission)
    return JSONResponse({})


async def list_acls(request: Request) -> Response:
    """List the permissions in a scope."""
    asked = await requests.read(request)
    permissions = context_of(request).databricks.scopes.permissions(requests.text(asked, "scope"))
    items = [{"principal": principal, "permission": permission} for principal, permission in permissions.items()]
    return JSONResponse({"items": items})


def _name(value: object, what: str) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise invalid(f"A {what} has letters, digits, '-', '_', '@' and '.', at most 128 of them.")
    return value


routes: list[BaseRoute] = [
    Route("/scopes/create", create_scope, methods=["POST"]),
    Route("/scopes/list", list_scopes),
    Route("/scopes/delete", delete_scope, methods=["POST"]),
    Route("/put", put, methods=["POST"]),
    Route("/list", list_keys),
    Route("/get", get),
    Route("/delete", delete, methods=["POST"]),
    Route("/acls/put", put_acl, methods=["POST"]),
    Route("/acls/list", list_acls),
]
