"""Deployments in curated environments."""

from __future__ import annotations

import pytest

from emulator_app import App
from endpoint_requests import deploy, operation_of, put_endpoint, serve_at_once

pytestmark = pytest.mark.anyio

CURATED = "azureml://registries/azureml/environments"


@pytest.mark.parametrize(
    ("reference", "resolved"),
    [
        (f"{CURATED}/sklearn-1.5/labels/latest", f"{CURATED}/sklearn-1.5/versions/1"),
        ("azureml:AzureML-sklearn-1.5:9", f"{CURATED}/AzureML-sklearn-1.5/versions/9"),
    ],
)
async def test_an_online_deployment_shows_the_resolved_id(app: App, reference: str, resolved: str) -> None:
    serve_at_once(app)
    await operation_of(app, await put_endpoint(app))

    answer = await deploy(app, environmentId=reference)

    assert answer.status_code == 201
    assert answer.json()["properties"]["environmentId"] == resolved


async def test_an_image_that_nothing_stands_in_for_fails_when_it_is_built(app: App) -> None:
    await operation_of(app, await put_endpoint(app))
    app.blobs.put("https://account.blob.core.windows.net/code/src/score.py", "")
    app.blobs.put("azureml://datastores/workspaceblobstore/paths/a", "")

    status = await operation_of(app, await deploy(app, environmentId=f"{CURATED}/responsibleai-text/versions/2"))

    assert status["status"] == "Failed"
    assert "--environment-python responsibleai-text=PYTHON" in status["error"]["message"]


async def test_a_batch_deployment_shows_the_resolved_id(app: App) -> None:
    workspace = app.context.settings.workspace_id
    await app.arm.put("models/m/versions/1", json={"properties": {"modelUri": "azureml://datastores/x/paths/a"}})
    code = {"codeUri": "https://account.blob.core.windows.net/code/src"}
    await app.arm.put("codes/c/versions/1", json={"properties": code})
    await app.arm.put("batchEndpoints/scores", json={"location": "eastus", "properties": {"authMode": "aadToken"}})
    properties = {
        "model": {"referenceType": "Id", "assetId": f"{workspace}/models/m/versions/1"},
        "codeConfiguration": {"codeId": f"{workspace}/codes/c/versions/1", "scoringScript": "score.py"},
        "environmentId": "azureml:AzureML-sklearn-1.5@latest",
        "compute": f"{workspace}/computes/cpu-cluster",
    }

    answer = await app.arm.put("batchEndpoints/scores/deployments/blue", json={"properties": properties})

    assert answer.status_code == 201, answer.text
    assert answer.json()["properties"]["environmentId"] == f"{CURATED}/AzureML-sklearn-1.5/versions/1"
