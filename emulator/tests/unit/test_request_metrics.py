from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from azureml_emulator.scoring.metrics import METRICS, RequestMetrics

from .conftest import App, Clock
from .test_scoring import CLUSTER_URL, ask, echo, serve

pytestmark = pytest.mark.anyio
PATH = "onlineEndpoints/digits/providers/Microsoft.Insights/metrics"
# A whole minute: three requests in it, two in the next one, one after a pause of a minute.
MINUTE = 1_000_020
REQUESTS = [
    (0, "blue", 200, 200, 0.1),
    (10, "blue", 200, 200, 0.3),
    (20, "green", 424, 500, 0.2),
    (60, "blue", 424, 400, 0.5),
    (70, "blue", 200, 200, 0.5),
    (180, "green", 408, None, 5.0),
]


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(MINUTE + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def fill(app: App) -> None:
    await serve(app, echo)
    endpoint = app.parts.store.get(f"{app.parts.settings.workspace_id}/onlineEndpoints/digits")
    assert endpoint is not None
    app.parts.store.put({**endpoint, "location": "eastus"})
    for second, deployment, status, model_status, seconds in REQUESTS:
        app.clock.now = MINUTE + second
        app.parts.metrics.record(endpoint["id"], deployment, status, model_status, seconds)


async def query(app: App, begin: float = 0, end: float = 240, **more: str) -> httpx.Response:
    return await app.arm.get(
        PATH, params={"api-version": "2018-01-01", "timespan": f"{moment(begin)}/{moment(end)}", **more}
    )


async def series(app: App, **more: Any) -> dict[tuple[str, ...], list[float | None]]:
    """The values of the first metric by its dimensions."""
    answer = (await query(app, **more)).raise_for_status().json()
    return {
        tuple(value["value"] for value in one["metadatavalues"]): [
            next((point[name] for name in point if name != "timeStamp"), None) for point in one["data"]
        ]
        for one in answer["value"][0]["timeseries"]
    }


async def test_the_answer_has_azure_monitors_shape(app: App) -> None:
    await fill(app)
    endpoint = f"{app.parts.settings.workspace_id}/onlineEndpoints/digits"

    answer = await query(app, end=60, metricnames="requestsperminute", **{"$filter": "Deployment eq 'green'"})

    assert answer.json() == {
        "cost": 0,
        "timespan": f"{moment(0)}/{moment(60)}",
        "interval": "PT1M",
        "namespace": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints",
        "resourceregion": "eastus",
        "value": [
            {
                "id": f"{endpoint}/providers/Microsoft.Insights/metrics/RequestsPerMinute",
                "type": "Microsoft.Insights/metrics",
                "name": {"value": "RequestsPerMinute", "localizedValue": "Requests Per Minute"},
                "displayDescription": "The number of requests sent to online endpoint within a minute",
                "unit": "Count",
                "timeseries": [
                    {
                        "metadatavalues": [
                            {"name": {"value": "deployment", "localizedValue": "deployment"}, "value": "green"}
                        ],
                        "data": [{"timeStamp": moment(0), "average": 1.0}],
                    }
                ],
                "errorCode": "Success",
            }
        ],
    }


@pytest.mark.parametrize(
    ("filtered", "expected"),
    [
        ("", {(): [3, 2, None, 1]}),
        ("deployment eq 'blue'", {("blue",): [2, 2, None, None]}),
        ("deployment eq '*'", {("blue",): [2, 2, None, None], ("green",): [1, None, None, 1]}),
        (
            "deployment eq 'blue' and statusCodeClass eq '*'",
            {("blue", "2xx"): [2, 1, None, None], ("blue", "4xx"): [None, 1, None, None]},
        ),
        ("deployment eq 'green' and statusCodeClass ne '2xx'", {("green", "4xx"): [1, None, None, 1]}),
        ("statusCode eq '408' or statusCode eq '424'", {("408",): [None, None, None, 1], ("424",): [1, 1, None, None]}),
        ("modelStatusCode eq '500'", {("500",): [1, None, None, None]}),
        ("deployment eq 'red'", {}),
    ],
)
async def test_requests_are_counted_by_the_minute_and_dimension(
    app: App, filtered: str, expected: dict[tuple[str, ...], list[float | None]]
) -> None:
    await fill(app)

    assert await series(app, metricnames="RequestsPerMinute", **{"$filter": filtered}) == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"metricnames": "RequestLatency"}, [200, 500, None, 5000]),
        ({"metricnames": "RequestLatency_P50"}, [200, 500, None, 5000]),
        ({"metricnames": "RequestLatency_P99"}, [300, 500, None, 5000]),
        ({"interval": "PT2M"}, [2.5, 1]),
        ({"interval": "PT2M", "aggregation": "Total"}, [5, 1]),
        ({"interval": "FULL", "aggregation": "maximum"}, [3]),
        ({"interval": "FULL", "aggregation": "minimum"}, [1]),
        ({"interval": "FULL", "aggregation": "Count"}, [3]),
        ({"begin": 30, "end": 100}, [3, 2]),
        ({"top": "0"}, None),
    ],
)
async def test_values_of_a_time(app: App, more: dict[str, Any], expected: list[float | None] | None) -> None:
    await fill(app)

    found = await series(app, **more)

    assert found == ({(): pytest.approx(expected)} if expected else {})


async def test_several_metrics_and_aggregations_in_one_answer(app: App) -> None:
    await fill(app)

    answer = (
        await query(app, end=60, metricnames="RequestsPerMinute,RequestLatency", aggregation="average,count")
    ).json()

    points = [metric["timeseries"][0]["data"][0] for metric in answer["value"]]
    assert [set(point) for point in points] == [{"timeStamp", "average", "count"}] * 2


async def test_without_a_timespan_it_is_the_last_hour(app: App) -> None:
    await fill(app)
    app.clock.now += 1

    answer = (await app.arm.get(PATH, params={"metricnames": "RequestsPerMinute"})).json()

    values = [point.get("average", 0) for point in answer["value"][0]["timeseries"][0]["data"]]
    assert sum(values) == 6
    assert len(values) in (60, 61)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"metricnames": "Sunshine"}, "Sunshine"),
        ({"aggregation": "median"}, "median"),
        ({"interval": "PT30S"}, "PT30S"),
        ({"interval": "soon"}, "soon"),
        ({"timespan": "yesterday"}, "yesterday"),
        ({"timespan": "2020-01-02T00:00:00Z/2020-01-01T00:00:00Z"}, "ends before"),
        ({"timespan": "2020-01-01T00:00:00Z/2026-01-01T00:00:00Z"}, "too many intervals"),
        ({"$filter": "deployment is 'blue'"}, "deployment is"),
        ({"$filter": "colour eq 'blue'"}, "colour"),
        ({"metricnames": "RequestLatency", "$filter": "statusCode eq '200'"}, "has no dimension"),
        ({"top": "many"}, "many"),
    ],
)
async def test_what_cannot_be_asked(app: App, more: dict[str, str], said: str) -> None:
    await fill(app)

    answer = await query(app, **more)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadRequest")
    assert said in answer.json()["error"]["message"]


async def test_the_path_may_be_written_in_any_case(app: App) -> None:
    await fill(app)

    answer = await app.arm.get(PATH.replace("Microsoft.Insights", "microsoft.insights"))

    assert answer.status_code == 200
    assert (await app.arm.get(PATH.replace("digits", "none"))).status_code == 404


async def test_what_deployments_are_asked_is_counted_mirrored_requests_as_well(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)
    await serve(app, lambda _request: httpx.Response(500), mirror_traffic={"silent": 10})
    await ask(app)
    await ask(app, **{"azureml-model-deployment": "blue"})
    await ask(app, **{"azureml-model-deployment": "nobody"})
    await ask(app, "wrong key")
    endpoint = f"{app.parts.settings.workspace_id}/onlineEndpoints/digits"
    async with asyncio.timeout(10):
        while len(counted := app.parts.metrics.visible(endpoint, 0, 2_000_000)) < 3:
            await asyncio.sleep(0)

    by_deployment = sorted(tuple(request.dimensions.values()) for request in counted)
    assert by_deployment == [("blue", "424", "4xx", "500")] * 2 + [("silent", "503", "5xx", "0")]


async def test_kubernetes_has_no_numbers(app: App) -> None:
    await serve(app, echo, url=CLUSTER_URL)
    await app.http.post(f"{CLUSTER_URL}/score", headers={"authorization": "Bearer first"})

    endpoint = f"{app.parts.settings.workspace_id}/onlineEndpoints/digits"
    assert app.parts.metrics.visible(endpoint, 0, 2_000_000) == []


def test_azure_monitor_lags() -> None:
    clock = Clock()
    metrics = RequestMetrics(lag_seconds=120, clock=clock)
    metrics.record("/e", "blue", 200, 200, 0.1)
    seen = []
    for _ in range(3):
        seen.append(len(metrics.visible("/E", 0, 2_000_000)))
        clock.now += 60

    assert seen == [0, 0, 1]
    metrics.clear()
    assert metrics.visible("/e", 0, 2_000_000) == []


def test_what_is_long_ago_is_forgotten() -> None:
    clock = Clock()
    metrics = RequestMetrics(clock=clock)
    for _ in range(4):
        metrics.record("/e", "blue", 200, 200, 0.1)
        clock.now += 86_400

    assert len(metrics.visible("/e", 0, clock.now)) < 4


def test_every_metric_has_a_name_of_its_own() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS) == 6
    assert replace(METRICS[0], name="x").dimensions == (
        "deployment",
        "statusCode",
        "statusCodeClass",
        "modelStatusCode",
    )
