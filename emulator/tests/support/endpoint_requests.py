"""Requests for online endpoints and deployments, as clients send them."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx

from azureml_emulator.control_plane import online_deployments
from emulator_app import App

OPERATION_SECONDS = 120.0
ENDED = ("Succeeded", "Failed", "Canceled")


async def put_endpoint(app: App, name: str = "digits", **properties: Any) -> httpx.Response:
    return await app.arm.put(f"onlineEndpoints/{name}", json={"properties": {"authMode": "Key", **properties}})


async def wait_for(app: App, answer: httpx.Response) -> None:
    """Wait until the operation that a request started has ended."""
    url, _, _ = answer.headers["azure-asyncoperation"].partition("?")
    await app.context.operations.wait(re.split("[:/]", url)[-1])


async def operation_of(app: App, answer: httpx.Response) -> dict[str, Any]:
    """Follow an operation to its end, as clients do."""
    assert "retry-after" not in answer.headers  # as the service
    async with asyncio.timeout(OPERATION_SECONDS):
        while True:
            status: dict[str, Any] = (await app.arm.get(answer.headers["azure-asyncoperation"])).json()
            if status["status"] in ENDED:
                return status
            await asyncio.sleep(0)


async def deploy(app: App, name: str = "blue", **changed: Any) -> httpx.Response:
    """PUT a deployment with all the assets it needs."""
    workspace = app.context.settings.workspace_id
    for path, properties in {
        "models/echo/versions/1": {"modelUri": "azureml://datastores/workspaceblobstore/paths/a"},
        "codes/score/versions/1": {"codeUri": "https://account.blob.core.windows.net/code/src"},
        "environments/scoring/versions/1": {"image": "an/image", "condaFile": "dependencies: [python]"},
    }.items():
        await app.arm.put(path, json={"properties": properties})
    properties = {
        "model": f"{workspace}/models/echo/versions/1",
        "codeConfiguration": {"codeId": f"{workspace}/codes/score/versions/1", "scoringScript": "score.py"},
        "environmentId": f"azureml:{workspace}/environments/scoring/versions/1",
        **changed,
    }
    return await app.arm.put(f"onlineEndpoints/digits/deployments/{name}", json={"properties": properties})


def serve_at_once(app: App) -> None:
    """Let deployments come up with no server behind them."""

    async def come_up(deployment_id: str) -> None:
        app.context.store.set_properties(deployment_id, provisioningState="Succeeded")

    app.context.operations.define(online_deployments.PUT, come_up)
