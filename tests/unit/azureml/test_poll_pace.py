"""The pace of the SDK's polls, with its own poller in virtual time."""

from typing import Any

import pytest
from azure.ai.ml import MLClient
from azure.core import PipelineClient
from azure.core.pipeline.policies import RequestIdPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.core.polling import LROPoller
from azure.core.rest import HttpRequest
from azure.mgmt.core.polling.arm_polling import ARMPolling

from clock import Clock
from http_double import json_response
from https_double import answer_https
from kfp_azureml.azureml.poll_pace import LONGEST_SECONDS, PollPace
from kfp_azureml.azureml.workspace import workspace_client

ARM = "https://management.azure.com"
OPERATION = "/subscriptions/s/providers/Microsoft.MachineLearningServices/locations/l/mfeOperationsStatus/oe:w:1"


class VirtualTransport(RequestsTransport):
    """Sends as usual; sleeps in virtual time."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def sleep(self, duration: float) -> None:
        self._clock.sleep(duration)


def follow(monkeypatch: pytest.MonkeyPatch, polls: int, path: str = OPERATION, **headers: str) -> list[float]:
    """Follow an operation that is in progress for some polls; return the SDK's pauses between them."""
    clock, left = Clock(), [polls]

    def answer(request: Any) -> Any:
        if request.method == "PUT":
            return json_response(201, {}, **{"Azure-AsyncOperation": f"{ARM}{path}?api-version=1"})
        if request.path != path:
            return json_response(200, {})
        left[0] -= 1
        return json_response(200, {"status": "Updating" if left[0] >= 0 else "Succeeded"}, **headers)

    answer_https(monkeypatch, answer)
    with PipelineClient(ARM, policies=[PollPace(), RequestIdPolicy()], transport=VirtualTransport(clock)) as client:
        begun = client.send_request(HttpRequest("PUT", f"{ARM}/thing"), _return_pipeline_response=True)
        LROPoller(client, begun, lambda *_: None, ARMPolling(30)).result()
    return clock.sleeps


def test_polls_start_fast_and_slow_down(monkeypatch):
    pauses = follow(monkeypatch, 12)
    assert pauses[:4] == [0.5, 0.75, 1.125, 1.688]
    assert pauses == sorted(pauses)
    assert pauses[-3:] == [LONGEST_SECONDS] * 3


@pytest.mark.parametrize("operations", ["computeOperationsStatus", "mfeOperationResults", "operationStatuses"])
def test_operations_of_any_kind_have_the_pace(monkeypatch, operations):
    path = OPERATION.replace("mfeOperationsStatus", operations)
    assert follow(monkeypatch, 2, path) == [0.5, 0.75]


@pytest.mark.parametrize("header", ["Retry-After", "retry-after"])
def test_the_pace_that_the_service_names_is_kept(monkeypatch, header):
    assert follow(monkeypatch, 3, **{header: "7"}) == [7, 7, 7]


def test_other_requests_are_left_alone(monkeypatch):
    assert follow(monkeypatch, 2, "/somewhere/else") == [30, 30]


def test_the_client_of_a_workspace_polls_at_that_pace(monkeypatch):
    for key in ("AZ_TENANT_ID", "AZ_CLIENT_ID", "AZ_CLIENT_SECRET"):
        monkeypatch.setenv(key, "x")
    monkeypatch.setattr("azure.ai.ml.operations.WorkspaceOperations.get", lambda *_: None)
    client: MLClient = workspace_client("rg", "ws", "sub")
    for operations in (client.online_endpoints._online_operation, client.online_deployments._online_deployment):
        policies = [getattr(policy, "_policy", policy) for policy in operations._client._pipeline._impl_policies]
        assert [policy for policy in policies if isinstance(policy, PollPace)]
