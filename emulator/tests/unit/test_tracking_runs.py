from __future__ import annotations

from typing import Any

import pytest

from azureml_emulator.jobs.runs import Run, Status

from .conftest import App
from .mlflow_api import Mlflow, by_key, error

pytestmark = pytest.mark.anyio


@pytest.fixture
def mlflow(app: App) -> Mlflow:
    return Mlflow(app)


async def test_a_run_from_its_begin_to_its_end(mlflow: Mlflow) -> None:
    experiment = await mlflow.experiment("digits", tags=[{"key": "team", "value": "vision"}])
    run = await mlflow.run(
        experiment_id=experiment, run_name="first", start_time=1_700_000_000_123, tags=[{"key": "a", "value": "b"}]
    )

    before = (await mlflow.shown(run))["info"]
    await mlflow.post("runs/update", run_id=run, status="FINISHED", end_time="1700000001456")
    after = (await mlflow.shown(run))["info"]

    assert (before["status"], before["start_time"], before["end_time"]) == ("RUNNING", 1_700_000_000_123, None)
    assert (after["status"], after["start_time"], after["end_time"]) == (
        "FINISHED",
        1_700_000_000_123,
        1_700_000_001_456,
    )
    assert (after["run_name"], after["lifecycle_stage"], after["experiment_id"]) == ("first", "active", experiment)
    assert after["artifact_uri"].endswith(f"/experiments/{experiment}/runs/{run}/artifacts")


async def test_what_is_logged_is_there(mlflow: Mlflow) -> None:
    run = await mlflow.run()

    await mlflow.post("runs/log-parameter", run_id=run, key="epochs", value="5")
    await mlflow.post("runs/log-metric", run_id=run, key="loss", value="NaN", timestamp=1)
    await mlflow.post("runs/set-tag", run_id=run, key="team", value="vision")
    await mlflow.post(
        "runs/log-batch",
        run_id=run,
        metrics=[
            {"key": "accuracy", "value": 0.5, "timestamp": 10, "step": 1},
            {"key": "accuracy", "value": 0.25, "timestamp": 11, "step": 0},
            {"key": "huge", "value": "Infinity", "timestamp": 9_007_199_254_740_993},
        ],
        params=[{"key": "rate", "value": "0.1"}],
        tags=[{"key": "mlflow.runName", "value": "renamed"}],
    )
    data = (await mlflow.shown(run))["data"]

    assert by_key(data["params"]) == {"epochs": "5", "rate": "0.1"}
    assert by_key(data["tags"]) == {"team": "vision", "mlflow.runName": "renamed"}
    assert (await mlflow.shown(run))["info"]["run_name"] == "renamed"
    assert data["metrics"] == [
        {"key": "accuracy", "value": 0.5, "timestamp": 10, "step": 1},
        {"key": "huge", "value": "Infinity", "timestamp": 9_007_199_254_740_993, "step": 0},
        {"key": "loss", "value": "NaN", "timestamp": 1, "step": 0},
    ]


async def test_a_history_has_all_values_once_and_in_pages(mlflow: Mlflow) -> None:
    run = await mlflow.run()
    metrics = [{"key": "loss", "value": 1 / (step + 1), "timestamp": step, "step": step} for step in range(5)]
    for _ in range(2):  # a client that repeats its request
        await mlflow.post("runs/log-batch", run_id=run, metrics=[*metrics, {**metrics[0], "value": "NaN"}])

    first = (await mlflow.get("metrics/get-history", run_id=run, metric_key="loss", max_results=4)).json()
    second = (
        await mlflow.get("metrics/get-history", run_id=run, metric_key="loss", page_token=first["next_page_token"])
    ).json()

    values = [metric["value"] for metric in (*first["metrics"], *second["metrics"])]
    assert values == [*(metric["value"] for metric in metrics), "NaN"]
    assert "next_page_token" not in second


async def test_a_parameter_never_changes(mlflow: Mlflow) -> None:
    run = await mlflow.run()
    await mlflow.post("runs/log-parameter", run_id=run, key="epochs", value="5")

    assert (await mlflow.post("runs/log-parameter", run_id=run, key="epochs", value="5")).status_code == 200
    refused = await mlflow.post("runs/log-parameter", run_id=run, key="epochs", value="6")

    assert error(refused) == (400, "INVALID_PARAMETER_VALUE")
    assert by_key((await mlflow.shown(run))["data"]["params"]) == {"epochs": "5"}


async def test_search(mlflow: Mlflow) -> None:
    experiment, other = await mlflow.experiment("digits"), await mlflow.experiment("other")
    runs = [await mlflow.run(experiment_id=experiment, start_time=1000 + number) for number in range(4)]
    await mlflow.run(experiment_id=other)
    for number, run in enumerate(runs):
        await mlflow.post("runs/log-metric", run_id=run, key="accuracy", value=number / 4, timestamp=1)
    await mlflow.post("runs/delete", run_id=runs[3])

    async def found(**query: Any) -> list[int]:
        answer = (await mlflow.post("runs/search", experiment_ids=[experiment], **query)).raise_for_status().json()
        return [runs.index(run["info"]["run_id"]) for run in answer["runs"]]

    assert await found() == [2, 1, 0]
    assert await found(run_view_type="ALL") == [3, 2, 1, 0]
    assert await found(run_view_type="DELETED_ONLY") == [3]
    assert await found(filter="metrics.accuracy >= 0.25") == [2, 1]
    assert await found(order_by=["metrics.accuracy ASC"], max_results=2) == [0, 1]
    assert await found(order_by=["metrics.accuracy ASC"], max_results=2, page_token="2") == [2]
    await mlflow.post("runs/restore", run_id=runs[3])
    assert await found() == [3, 2, 1, 0]


async def test_a_run_without_an_experiment_goes_to_the_default_one(mlflow: Mlflow) -> None:
    run = await mlflow.run()

    experiment = (await mlflow.get("experiments/get", experiment_id="0")).json()["experiment"]

    assert experiment["name"] == "Default"
    assert (await mlflow.shown(run))["info"]["experiment_id"] == experiment["experiment_id"]
    assert (await mlflow.get("experiments/get-by-name", experiment_name="Default")).json()["experiment"] == experiment


async def test_experiments(mlflow: Mlflow) -> None:
    ids = {name: await mlflow.experiment(name) for name in ("a", "b", "c")}
    await mlflow.post("experiments/delete", experiment_id=ids["b"])
    await mlflow.post("experiments/set-experiment-tag", experiment_id=ids["c"], key="team", value="vision")

    async def found(**query: Any) -> list[str]:
        answer = (await mlflow.post("experiments/search", max_results=10, **query)).raise_for_status().json()
        return [experiment["name"] for experiment in answer["experiments"]]

    assert sorted(await found()) == ["a", "c"]
    assert await found(view_type="DELETED_ONLY") == ["b"]
    assert await found(filter="tags.team = 'vision'") == ["c"]
    assert await found(view_type="ALL", order_by=["name DESC"]) == ["c", "b", "a"]
    assert error(await mlflow.post("experiments/create", name="A")) == (400, "RESOURCE_ALREADY_EXISTS")
    assert error(await mlflow.post("runs/create", experiment_id=ids["b"])) == (400, "INVALID_PARAMETER_VALUE")
    await mlflow.post("experiments/restore", experiment_id=ids["b"])
    assert sorted(await found()) == ["a", "b", "c"]


async def test_a_jobs_run_is_logged_to_in_the_same_way_but_ended_by_the_job(mlflow: Mlflow) -> None:
    runs = mlflow.app.parts.runs
    runs.put(Run("happy_ant", "Command", "training", display_name="train", status=Status.RUNNING))

    await mlflow.post("runs/log-metric", run_id="happy_ant", key="accuracy", value=0.5, timestamp=1)
    await mlflow.post("runs/update", run_id="happy_ant", status="FAILED", end_time=1)

    shown = await mlflow.shown("happy_ant")
    assert shown["data"]["metrics"][0]["value"] == 0.5
    assert (shown["info"]["status"], shown["info"]["end_time"]) == ("RUNNING", None)
    experiment = (await mlflow.get("experiments/get-by-name", experiment_name="training")).json()["experiment"]
    assert shown["info"]["experiment_id"] == experiment["experiment_id"]
    listed = (await mlflow.post("experiments/search")).json()["experiments"]
    assert [each["name"] for each in listed] == ["training"]


async def test_inputs_and_tags(mlflow: Mlflow) -> None:
    run = await mlflow.run()
    dataset = {"dataset": {"name": "digits", "digest": "d", "source_type": "local", "source": "{}"}, "tags": []}

    for _ in range(2):
        await mlflow.post("runs/log-inputs", run_id=run, datasets=[dataset])
    await mlflow.post("runs/set-tag", run_id=run, key="team", value="vision")
    assert (await mlflow.post("runs/delete-tag", run_id=run, key="team")).status_code == 200

    shown = await mlflow.shown(run)
    assert shown["inputs"]["dataset_inputs"] == [dataset]
    assert by_key(shown["data"]["tags"]) == {"mlflow.runName": run}
    assert error(await mlflow.post("runs/delete-tag", run_id=run, key="team")) == (404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("runs/get-history", {}, None),
        ("runs/update", {"run_id": "none"}, (404, "RESOURCE_DOES_NOT_EXIST")),
        ("runs/update", {}, (400, "INVALID_PARAMETER_VALUE")),
        ("runs/create", {"experiment_id": "none"}, (404, "RESOURCE_DOES_NOT_EXIST")),
        ("runs/create", {"experiment_id": 1}, (400, "INVALID_PARAMETER_VALUE")),
        ("runs/create", {"start_time": 10**18}, (400, "INVALID_PARAMETER_VALUE")),
        ("runs/create", {"start_time": -1}, (400, "INVALID_PARAMETER_VALUE")),
        ("runs/create", {"tags": {"a": "b"}}, (400, "INVALID_PARAMETER_VALUE")),
        ("runs/search", {"experiment_ids": ["0"], "filter": "what"}, (400, "INVALID_PARAMETER_VALUE")),
        ("runs/search", {"experiment_ids": ["0"], "max_results": 0}, (400, "INVALID_PARAMETER_VALUE")),
        ("runs/search", {"experiment_ids": ["0"], "run_view_type": "SOME"}, (400, "INVALID_PARAMETER_VALUE")),
        ("experiments/create", {"name": "a/b"}, (400, "INVALID_PARAMETER_VALUE")),
        ("experiments/delete", {"experiment_id": "none"}, (404, "RESOURCE_DOES_NOT_EXIST")),
    ],
)
async def test_refusals(mlflow: Mlflow, path: str, body: dict[str, Any], expected: tuple[int, str] | None) -> None:
    answer = await mlflow.post(path, **body)

    assert (answer.status_code == 501) if expected is None else (error(answer) == expected)


@pytest.mark.parametrize(
    "metric",
    [
        {"key": "a", "value": True, "timestamp": 1},
        {"key": "a", "value": "much", "timestamp": 1},
        {"key": "a", "value": 10**400, "timestamp": 1},
        {"key": "a", "timestamp": 1},
        {"value": 1, "timestamp": 1},
        {"key": "a", "value": 1, "timestamp": 2**63},
        {"key": "a", "value": 1, "timestamp": 1, "step": 1.5},
    ],
)
async def test_a_metric_that_is_none(mlflow: Mlflow, metric: dict[str, Any]) -> None:
    run = await mlflow.run()

    assert error(await mlflow.post("runs/log-metric", run_id=run, **metric)) == (400, "INVALID_PARAMETER_VALUE")
    assert (await mlflow.shown(run))["data"]["metrics"] == []


async def test_what_mlflow_3_asks_for_is_not_there_as_at_the_service(mlflow: Mlflow) -> None:
    for path in ("logged-models", "logged-models/search"):
        answer = await mlflow.post(path)
        assert (answer.status_code, answer.content) == (404, b"")


async def test_both_versions_of_the_api_are_one(app: App, mlflow: Mlflow) -> None:
    run = await mlflow.run()

    assert (await Mlflow(app, "v1.0").shown(run)) == await mlflow.shown(run)
    assert (await Mlflow(app, "v3.0").get("runs/get", run_id=run)).status_code == 501


async def test_nobody_gets_in_without_a_token(app: App, mlflow: Mlflow) -> None:
    assert (await app.http.get(f"{mlflow.url}/runs/get", params={"run_id": "x"})).status_code == 401


async def test_the_workspaces_name_may_be_written_in_any_case(app: App, mlflow: Mlflow) -> None:
    mlflow.url = mlflow.url.replace("workspaces/local", "workspaces/LOCAL")
    assert (await mlflow.get("experiments/get", experiment_id="0")).status_code == 200

    mlflow.url = mlflow.url.replace("workspaces/LOCAL", "workspaces/other")
    answer = await mlflow.get("experiments/get", experiment_id="0")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ResourceNotFound")


def test_moments_keep_their_milliseconds() -> None:
    from azureml_emulator.tracking.entities import as_milliseconds, as_moment

    for milliseconds in (0, 1, 999, 1_700_000_000_001, 1_700_000_000_999, 253_402_300_799_999):
        assert as_milliseconds(as_moment(milliseconds)) == milliseconds
