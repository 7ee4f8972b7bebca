"""Azure Monitor's request metrics, asked through the real client of Azure Resource Manager."""

from datetime import UTC, datetime, timedelta

import pytest

from azure_errors import arm_error
from azure_manager import manage
from azure_workspace import PREFIX
from http_double import json_response
from kfp_azureml.azureml.arm import resource_manager
from kfp_azureml.azureml.rollout import azure_monitor as metrics_module
from kfp_azureml.azureml.rollout.azure_monitor import MIN_REQUESTS, RequestMetrics
from kfp_azureml.runtime.errors import DeploymentError
from rollouts import make_limits

ENDPOINT = f"{PREFIX}/fashion"
BEGIN = datetime(2026, 3, 1, 12, 0, 20, tzinfo=UTC)
REFUSED = json_response(403, {"error": arm_error("AuthorizationFailed", "the identity may not")})


class Now(datetime):
    """The time is what a test says."""

    value = BEGIN

    @classmethod
    def now(cls, _zone=None):
        return cls.value


@pytest.fixture
def manager(monkeypatch):
    monkeypatch.setattr(metrics_module, "datetime", Now)
    monkeypatch.setattr(Now, "value", BEGIN + timedelta(minutes=5))
    return manage(monkeypatch)


@pytest.fixture
def metrics(manager):
    with resource_manager() as arm:
        yield RequestMetrics(arm, ENDPOINT, "green", since=BEGIN)


def check(metrics, rate=0.01):
    metrics.check(make_limits(max_error_rate=rate), "deployment green, 10 % of the traffic")


def test_the_requests_of_one_deployment_are_asked_for_by_their_status(manager, metrics):
    check(metrics)
    (asked,) = manager.asked
    assert asked.path == f"{ENDPOINT}/providers/Microsoft.Insights/metrics"
    assert asked.query == {
        "api-version": ["2018-01-01"],
        "metricnames": ["RequestsPerMinute"],
        "aggregation": ["Average"],
        "interval": ["PT1M"],
        "timespan": ["2026-03-01T12:01:00Z/2026-03-01T12:05:20Z"],
        "$filter": ["deployment eq 'green' and statusCode eq '*'"],
    }


@pytest.mark.parametrize(
    ("seconds", "begin"),
    [(39, None), (40, None), (41, "2026-03-01T12:01:00Z"), (300, "2026-03-01T12:01:00Z")],
)
def test_nothing_is_asked_before_a_whole_minute_has_begun(manager, metrics, monkeypatch, seconds, begin):
    monkeypatch.setattr(Now, "value", BEGIN + timedelta(seconds=seconds))
    check(metrics)
    assert [asked.query["timespan"][0].split("/")[0] for asked in manager.asked] == ([begin] if begin else [])


@pytest.mark.parametrize(
    ("requests", "rate", "failed"),
    [
        ({}, 0.0, None),
        ({"200": 1000}, 0.0, None),
        ({"200": 990, "500": 10}, 0.01, None),
        ({"200": 989, "500": 11}, 0.01, "11 of 1000"),
        ({"200": 989, "503": 5, "424": 6}, 0.01, "11 of 1000"),
        ({"200": 989, "408": 5, "429": 6}, 0.01, "11 of 1000"),
        # What the callers did wrong says nothing of the deployment.
        ({"200": 900, "400": 50, "401": 25, "404": 25}, 0.01, None),
        ({"200": 900, "unknown": 100}, 0.01, None),
        ({"500": MIN_REQUESTS - 1}, 0.01, None),
        ({"500": MIN_REQUESTS}, 0.01, "20 of 20"),
        ({"500": 1000}, 1.0, None),
    ],
)
def test_failures_are_counted_over_all_minutes_and_statuses(manager, metrics, requests, rate, failed):
    manager.requests = requests
    if failed is None:
        check(metrics, rate)
        return
    with pytest.raises(DeploymentError) as breach:
        check(metrics, rate)
    assert str(breach.value) == (
        f"deployment green, 10 % of the traffic: {failed} requests failed according to Azure Monitor "
        f"(max_error_rate={rate:g})"
    )


@pytest.mark.parametrize("answer", [{}, {"value": []}, {"value": [{}]}, {"value": [{"timeseries": [{}]}]}])
def test_an_answer_without_figures_says_nothing(manager, metrics, answer):
    manager.failing = [json_response(200, answer)]
    check(metrics, 0.0)


@pytest.mark.parametrize(
    "refusal",
    [REFUSED, json_response(404, {}), json_response(400, {}), json_response(401, {})],
    ids=[403, 404, 400, 401],
)
def test_without_the_right_to_ask_that_is_said_once_and_nothing_else_changes(manager, metrics, caplog, refusal):
    manager.failing = [refusal] * 10
    for _ in range(3):
        check(metrics)
    (message,) = caplog.messages
    assert "no metrics from Azure Monitor" in message
    assert "the role 'Monitoring Reader' allows it" in message
    assert len([asked for asked in manager.asked if asked.path.endswith("metrics")]) <= 2  # one, and a challenge's


def test_after_a_failure_of_the_moment_it_is_asked_again(manager, metrics, caplog):
    manager.requests = {"500": 100}
    manager.failing = [json_response(503, {})] * 6
    check(metrics)
    assert "Monitoring Reader" not in caplog.text
    assert "no metrics from Azure Monitor" in caplog.text
    with pytest.raises(DeploymentError, match="100 of 100 requests failed"):
        check(metrics)


def test_it_counts_from_the_moment_it_was_made(manager, monkeypatch):
    with resource_manager() as arm:
        assert RequestMetrics(arm, ENDPOINT, "green").since == Now.value
