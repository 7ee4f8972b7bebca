"""The scoring hosts: authentication, traffic split, and errors of the model."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from urllib.parse import urlsplit

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from azureml_emulator.arm.durations import duration_seconds
from azureml_emulator.context import Context, context_of
from azureml_emulator.scoring.mirroring import choose_mirror
from azureml_emulator.store import Document
from azureml_emulator.tokens import SCORING_AUDIENCES

DEPLOYMENT_HEADER = "azureml-model-deployment"
MODEL_STATUS_HEADER = "ms-azureml-model-error-statuscode"
FORWARDED_HEADERS = ("content-type", "accept", "x-ms-client-request-id", "x-request-id", "traceparent")


async def score(request: Request) -> Response:
    """Send a request to a deployment."""
    endpoint = _find_endpoint(request)
    if isinstance(endpoint, Response):
        return endpoint
    # Read the body only of authorized clients, and look again after it: the endpoint may be gone by then.
    await request.body()
    endpoint = _find_endpoint(request)
    if isinstance(endpoint, Response):
        return endpoint
    context, endpoint_id = context_of(request), endpoint["id"]
    requested = request.headers.get(DEPLOYMENT_HEADER)
    name = requested or choose_deployment(endpoint["properties"]["traffic"])
    if name is None:
        return _refusal(404, "no_traffic", "The endpoint has no deployment with traffic.")
    deployment = context.store.get(f"{endpoint_id}/deployments/{name}")
    if deployment is None:
        return _refusal(404, "deployment_not_found", f"The endpoint has no deployment {name!r}.")
    mirrored_to = None if requested else choose_mirror(endpoint["properties"]["mirrorTraffic"])
    if mirrored_to and (shadow := context.store.get(f"{endpoint_id}/deployments/{mirrored_to}")):
        context.mirror.send(_ask_and_record(context, request, endpoint, shadow))
    return await _ask_and_record(context, request, endpoint, deployment)


def _find_endpoint(request: Request) -> Document | Response:
    """Return the endpoint, or a response that needs none of its deployments."""
    context = context_of(request)
    endpoint = context.store.get(f"{context.settings.workspace_id}/onlineEndpoints/{request.path_params['endpoint']}")
    # Endpoints on Kubernetes are served at their cluster's host only.
    if endpoint is None or urlsplit(endpoint["properties"]["scoringUri"] or "").hostname != request.url.hostname:
        return _refusal(404, "not_found", "The endpoint does not exist.")
    if request.path_params["path"] == "" and request.method == "GET":
        return PlainTextResponse("Healthy")
    if not _is_authorized(context, endpoint, request.headers.get("authorization", "")):
        return _refusal(401, "key_auth_access_denied", "Access denied.")
    return endpoint


def choose_deployment(traffic: dict[str, int]) -> str | None:
    """Choose a deployment at random by its share; None if there is no traffic.

    Args:
        traffic: Percent by deployment.
    """
    if not any(traffic.values()):
        return None
    return random.choices(list(traffic), list(traffic.values()))[0]  # noqa: S311 - a load balancer's dice


def _is_authorized(context: Context, endpoint: Document, authorization: str) -> bool:
    scheme, _, credential = authorization.partition(" ")
    if scheme.lower() != "bearer":
        return False
    properties = endpoint["properties"]
    if properties["authMode"] == "Key":
        keys = context.store.get_keys(endpoint["id"])
        assert keys is not None  # noqa: S101 - made with the endpoint
        return any(secrets.compare_digest(credential.encode(), key.encode()) for key in (keys.primary, keys.secondary))
    audiences = SCORING_AUDIENCES if properties["authMode"] == "AADToken" else (properties["scoringUri"],)
    return context.tokens.is_valid(credential, audiences)


async def _ask_and_record(context: Context, request: Request, endpoint: Document, deployment: Document) -> Response:
    """Ask a deployment; record requests of managed endpoints for Azure Monitor."""
    if endpoint["properties"]["compute"]:
        return await _forward(context, request, deployment, on_kubernetes=True)
    started = time.perf_counter()
    response = await _forward(context, request, deployment, on_kubernetes=False)
    answered = DEPLOYMENT_HEADER in response.headers
    model_status = int(response.headers.get(MODEL_STATUS_HEADER, response.status_code)) if answered else None
    seconds = time.perf_counter() - started
    context.metrics.record(endpoint["id"], deployment["name"], response.status_code, model_status, seconds)
    return response


async def _forward(context: Context, request: Request, deployment: Document, *, on_kubernetes: bool) -> Response:
    seconds = duration_seconds(deployment["properties"]["requestSettings"]["requestTimeout"])
    # A cluster's router queues requests instead; that is not emulated.
    if not on_kubernetes and context.servers.requests(deployment["id"]) >= most_requests(deployment):
        return _refusal(429, "too_many_requests", "The deployment has too many pending requests.")
    try:
        async with asyncio.timeout(seconds):
            answer = await _ask(context, request, deployment, seconds)
    except (TimeoutError, httpx.TimeoutException):
        status = 504 if on_kubernetes else 408
        return _refusal(status, "request_timeout", "The model took longer than the deployment's requestTimeout.")
    except httpx.TransportError as error:
        return _refusal(502, "upstream_error", f"The model's container does not answer: {type(error).__name__}.")
    if answer is None:
        return _refusal(503, "deployment_not_ready", f"The deployment {deployment['name']} is not ready.")
    headers = {DEPLOYMENT_HEADER: deployment["name"]}
    if "content-type" in answer.headers:
        headers["content-type"] = answer.headers["content-type"]
    if answer.is_success:
        return Response(answer.content, answer.status_code, headers)
    if on_kubernetes:
        # The cluster's router passes the model's status on; a crash in run() is a 502.
        return Response(answer.content, 502 if answer.status_code == 500 else answer.status_code, headers)
    # Managed endpoints answer 424 (failed dependency) for errors of the model.
    headers[MODEL_STATUS_HEADER] = str(answer.status_code)
    headers["ms-azureml-model-error-reason"] = "model_error"
    return Response(answer.content, 424, headers)


def most_requests(deployment: Document) -> int:
    """Return how many requests a managed deployment handles at a time; it refuses more with 429.

    The number is that of https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints
    """
    per_instance: int = deployment["properties"]["requestSettings"]["maxConcurrentRequestsPerInstance"]
    return int(2 * per_instance * deployment["sku"]["capacity"])


async def _ask(context: Context, request: Request, deployment: Document, seconds: float) -> httpx.Response | None:
    """Return the container's response or a forced one; None if no server is up."""
    content = await request.body()
    with context.servers.in_use(deployment["id"]) as server:
        if server is None:
            return None
        behaviour = context.behaviours.next(request.path_params["endpoint"], deployment["name"])
        if behaviour:
            await asyncio.sleep(behaviour.delay_seconds)
            if behaviour.status is not None:
                return httpx.Response(behaviour.status, json=behaviour.body)
        return await server.client.request(
            request.method,
            f"/{request.path_params['path']}",
            params=request.query_params,
            content=content,
            headers={name: request.headers[name] for name in FORWARDED_HEADERS if name in request.headers},
            timeout=seconds,
        )


def _refusal(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status)


managed_routes: list[BaseRoute] = [Route("/{path:path}", score, methods=["GET", "POST"])]
kubernetes_routes: list[BaseRoute] = [Route("/api/v1/endpoint/{endpoint}/{path:path}", score, methods=["GET", "POST"])]
