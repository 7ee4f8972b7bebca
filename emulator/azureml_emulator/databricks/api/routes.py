"""All routes of the workspace's host, and its error responses."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Router

from azureml_emulator.databricks.api import clusters, dbfs, files, jobs, runs, secrets, sign_in, workspace_items
from azureml_emulator.databricks.api.sign_in import RequireDatabricksToken
from azureml_emulator.databricks.errors import CODES, DatabricksError


def databricks_app() -> Router:
    """Build the app of the workspace's host."""
    # Version 2.0 of jobs has no tasks: not emulated. The others differ in the length of pages only.
    api: list[BaseRoute] = [
        *(Mount(f"/api/{version}/jobs", routes=[*jobs.routes, *runs.routes]) for version in ("2.1", "2.2")),
        *(Mount(f"/api/{version}/clusters", routes=clusters.routes) for version in ("2.0", "2.1")),
        Mount("/api/2.0/preview/scim/v2", routes=sign_in.routes),
        Mount("/api/2.0/secrets", routes=secrets.routes),
        Mount("/api/2.0/workspace", routes=workspace_items.routes),
        Mount("/api/2.0/fs", routes=files.routes),
        Mount("/api/2.0/dbfs", routes=dbfs.routes),
    ]
    signed_in = Router(api, middleware=[Middleware(RequireDatabricksToken)])
    return Router([*sign_in.open_routes, *files.presigned_routes, Mount("", app=signed_in)])


def error_response(_request: Request, error: Exception) -> Response:
    """Answer with a DatabricksError."""
    assert isinstance(error, DatabricksError)  # noqa: S101 - registered for this class
    return show_error(error.status, error.code, error.message)


def routing_error_response(request: Request, error: Exception) -> Response:
    """Answer a request that has no route."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    route = f"{request.method} https://{request.url.hostname}{request.url.path}"
    return show_error(501, "", f"Not emulated: {route}.")


def show_error(status: int, code: str, message: str) -> Response:
    """Build an error response; without a code it has the usual one for the status."""
    return JSONResponse({"error_code": code or CODES.get(status, "UNKNOWN"), "message": message, "details": []}, status)
