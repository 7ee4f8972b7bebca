"""Clusters: create, change, start, terminate, delete."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from azureml_emulator.context import context_of
from azureml_emulator.databricks.api import requests

PAGE = 100


async def create(request: Request) -> Response:
    """Create and start a cluster."""
    asked = await requests.read(request)
    requests.text(asked, "spark_version")
    requests.optional_text(asked, "cluster_name")
    return JSONResponse({"cluster_id": context_of(request).databricks.clusters.create(asked)})


async def edit(request: Request) -> Response:
    """Replace the specification of a cluster."""
    asked = await requests.read(request)
    requests.text(asked, "spark_version")
    requests.optional_text(asked, "cluster_name")
    specification = {name: value for name, value in asked.items() if name != "cluster_id"}
    context_of(request).databricks.clusters.edit(requests.text(asked, "cluster_id"), specification)
    return JSONResponse({})


async def get(request: Request) -> Response:
    """Get a cluster."""
    asked = await requests.read(request)
    return JSONResponse(context_of(request).databricks.clusters.show(requests.text(asked, "cluster_id")))


async def list_all(request: Request) -> Response:
    """List clusters, the newest first; paged."""
    asked = await requests.read(request)
    fields = {"limit": asked.get("page_size"), "page_token": asked.get("page_token")}
    clusters, following = requests.page(fields, context_of(request).databricks.clusters.all(), default=PAGE, most=PAGE)
    del following["has_more"]
    return JSONResponse({"clusters": clusters, **following})


async def start(request: Request) -> Response:
    """Start a terminated cluster."""
    context_of(request).databricks.clusters.start(await _cluster_id(request))
    return JSONResponse({})


async def terminate(request: Request) -> Response:
    """Terminate a cluster; the API calls it deleting."""
    context_of(request).databricks.clusters.terminate(await _cluster_id(request))
    return JSONResponse({})


async def delete(request: Request) -> Response:
    """Delete a cluster for good."""
    context_of(request).databricks.clusters.delete(await _cluster_id(request))
    return JSONResponse({})


async def _cluster_id(request: Request) -> str:
    return requests.text(await requests.read(request), "cluster_id")


routes: list[BaseRoute] = [
    Route("/create", create, methods=["POST"]),
    Route("/edit", edit, methods=["POST"]),
    Route("/get", get),
    Route("/list", list_all),
    Route("/start", start, methods=["POST"]),
    Route("/delete", terminate, methods=["POST"]),
    Route("/permanent-delete", delete, methods=["POST"]),
]
