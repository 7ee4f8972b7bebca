"""Deployments with a function in place of an inference server."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from azureml_emulator.arm.resources import new_resource
from azureml_emulator.store import Document, EndpointKeys
from emulator_app import App

URL = "https://digits.eastus.inference.ml.azure.com"
CLUSTER_URL = "http://127.0.0.1:80/api/v1/endpoint/digits"


class FakeServer:
    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://inference")

    async def stop(self) -> None:
        await self.client.aclose()


async def serve(
    app: App,
    answer: Callable[[httpx.Request], httpx.Response],
    *,
    auth_mode: str = "Key",
    traffic: int = 100,
    mirror_traffic: dict[str, int] | None = None,
    url: str = URL,
) -> None:
    workspace = app.context.settings.workspace_id
    endpoint = f"{workspace}/onlineEndpoints/digits"
    compute = f"{workspace}/computes/k8s" if url == CLUSTER_URL else None
    properties = {
        "authMode": auth_mode,
        "compute": compute,
        "traffic": {"blue": traffic},
        "mirrorTraffic": mirror_traffic or {},
        "scoringUri": f"{url}/score",
    }
    app.context.store.put(new_resource(endpoint, properties))
    app.context.store.put_keys(endpoint, EndpointKeys("first", "second"))
    for name in ("blue", "silent"):
        app.context.store.put(deployment(f"{endpoint}/deployments/{name}"))
    await app.context.servers.replace(f"{endpoint}/deployments/blue", FakeServer(answer))  # type: ignore[arg-type]


def deployment(deployment_id: str) -> Document:
    """Return a deployment with the settings that its requests need."""
    requests = {"requestTimeout": "PT5S", "maxConcurrentRequestsPerInstance": 8}
    return new_resource(deployment_id, {"requestSettings": requests}, sku={"capacity": 1})


def echo(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, content=request.content, headers={"content-type": "application/json"})


async def ask(app: App, credential: str = "first", **headers: str) -> httpx.Response:
    headers["authorization"] = f"Bearer {credential}"
    return await app.http.post(f"{URL}/score", json=[1], headers=headers)
