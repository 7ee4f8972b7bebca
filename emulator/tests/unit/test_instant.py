from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from azureml_emulator.settings import Settings
from azureml_emulator.test_control.behaviours import Behaviour

from .conftest import App
from .test_online_endpoints import deploy, operation_of, put_endpoint

pytestmark = pytest.mark.anyio
URL = "https://digits.eastus.inference.ml.azure.com/score"
SAMPLE = "azureml://datastores/workspaceblobstore/paths/a/sample.json"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path, scoring="instant")


async def ask(app: App, sample: object | None, content: object) -> httpx.Response:
    """Deploy a model with a sample, and ask it."""
    if sample is not None:
        app.blobs.put(SAMPLE, json.dumps(sample))
    await operation_of(app, await put_endpoint(app, keys={"primaryKey": "one"}))
    deployed = await operation_of(app, await deploy(app))
    assert deployed["status"] == "Succeeded"
    return await app.http.post(URL, json=content, headers=headers())


def headers() -> dict[str, str]:
    return {"authorization": "Bearer one", "azureml-model-deployment": "blue"}


async def test_the_sample_says_what_the_model_predicts(app: App) -> None:
    sample = {"images": ["AAA=", [[0, 1], [2, 3]], "BBB="], "predicted": [7, 1, 0], "labels": [7, 7, 7]}

    answer = await ask(app, sample, {"images": ["BBB=", "AAA=", [[0, 1], [2, 3]], "BBB="]})

    assert answer.json() == {"predictions": [{"index": index} for index in (0, 7, 1, 0)]}
    assert answer.headers["azureml-model-deployment"] == "blue"


@pytest.mark.parametrize(
    ("sample", "asked"),
    [
        (None, {"images": ["AAA="]}),
        ({"something": "else"}, {"images": ["AAA="]}),
        ([1], {"images": ["AAA="]}),
        ({"images": ["AAA="], "predicted": []}, {"images": ["AAA="]}),
        ({"images": ["AAA="], "predicted": [7]}, {"input_data": [1, 2]}),
        ({"images": ["AAA="], "predicted": [7]}, [1]),
    ],
)
async def test_without_a_sample_it_is_an_echo(app: App, sample: Any, asked: Any) -> None:
    answer = await ask(app, sample, asked)

    assert (answer.status_code, answer.json()) == (200, asked)


async def test_it_does_not_know_other_images(app: App) -> None:
    answer = await ask(app, {"images": ["AAA="], "predicted": [7]}, {"images": ["AAA=", "CCC="]})

    assert (answer.status_code, answer.headers["ms-azureml-model-error-statuscode"]) == (424, "400")
    assert "image 1" in answer.json()["error"]


async def test_nothing_is_built_and_the_log_says_so(app: App) -> None:
    await ask(app, None, {})

    log = (await app.arm.post("onlineEndpoints/digits/deployments/blue/getLogs", json={})).json()["content"]

    assert "--scoring instant" in log


async def test_a_deployment_behaves_as_ordered(app: App) -> None:
    await ask(app, None, {})
    app.parts.behaviours.set([Behaviour(deployment="blue", from_request=2, every=2, status=500, body={"error": "x"})])

    answers = [await app.http.post(URL, json={"n": n}, headers=headers()) for n in range(1, 5)]

    assert [answer.status_code for answer in answers] == [200, 424, 200, 424]
    assert answers[1].headers["ms-azureml-model-error-statuscode"] == "500"
    assert (answers[1].json(), answers[2].json()) == ({"error": "x"}, {"n": 3})


async def test_a_deployment_that_is_ordered_to_be_slow_times_out(app: App) -> None:
    await ask(app, None, {})
    await operation_of(app, await deploy(app, requestSettings={"requestTimeout": "PT0.05S"}))
    app.parts.behaviours.set([Behaviour(delay_seconds=600, every=2), Behaviour(delay_seconds=0.001)])

    statuses = [(await app.http.post(URL, json={}, headers=headers())).status_code for _ in range(2)]

    assert statuses == [408, 200]
