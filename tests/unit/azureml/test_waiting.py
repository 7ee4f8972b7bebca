import logging

import pytest
from azure.core import PipelineClient
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.pipeline.policies import RequestIdPolicy
from azure.core.polling import LROPoller
from azure.core.rest import HttpRequest
from azure.mgmt.core.polling.arm_polling import ARMPolling

from azure_errors import arm_error, response_error
from azure_workspace import Operation
from clock import Clock
from http_double import json_response
from https_double import answer_https
from kfp_azureml.azureml import retries, waiting
from kfp_azureml.azureml.waiting import Deadline, run_operation, shown, wait_until_settled
from kfp_azureml.runtime.errors import DeploymentError
from kfp_azureml.runtime.polling import LONGEST_SECONDS

PAGE = "https://studio"


@pytest.fixture
def clock(monkeypatch):
    return Clock().pass_in(monkeypatch, waiting, retries)


def deadline(clock, seconds=600.0):
    return Deadline(seconds, look_at=PAGE, started=clock.now)


def test_waits_to_the_end_and_shows_state_time_and_the_page_where_it_changes(clock, caplog):
    caplog.set_level(logging.INFO)
    result = run_operation("deployment v1", lambda: Operation(clock, 75, "made"), lambda: None, deadline(clock))
    assert result == "made"
    assert caplog.messages == [
        f"deployment v1: InProgress, 0 s elapsed, {PAGE}",
        "deployment v1: InProgress, 30 s elapsed",
        "deployment v1: InProgress, 1 min 0 s elapsed",
        f"deployment v1: Succeeded, 1 min 15 s elapsed, {PAGE}",
    ]


def test_ends_at_the_stated_time_and_says_where_to_look(clock):
    with pytest.raises(DeploymentError) as ended:
        run_operation("deployment v1", lambda: Operation(clock, 1e9), lambda: None, deadline(clock, 60))
    assert str(ended.value) == (
        "deployment v1: still InProgress after 1 min 1 s (timeout_seconds=60); "
        f"Azure continues the operation, see {PAGE}"
    )


def test_time_that_is_up_names_the_operation_as_azure_does(clock, monkeypatch):
    """With the SDK's own poller, which keeps the address to itself."""
    address = "https://management.azure.com/operations/7?api-version=1"
    state = ["InProgress"]

    def answer(request):
        if request.path == "/operations/7":
            return json_response(200, {"status": state[0]})
        return json_response(201, {"properties": {}}, **{"Azure-AsyncOperation": address})

    answer_https(monkeypatch, answer)
    client = PipelineClient("https://management.azure.com", policies=[RequestIdPolicy()])
    begun = client.send_request(
        HttpRequest("PUT", "https://management.azure.com/thing"), _return_pipeline_response=True
    )
    poller = LROPoller(client, begun, lambda *_: None, ARMPolling(0.01))
    with pytest.raises(DeploymentError) as ended:
        run_operation("thing", lambda: poller, lambda: None, deadline(clock, -1))
    assert f"az rest --method get --url '{address}'" in str(ended.value)
    state[0] = "Succeeded"
    poller.wait()


def test_a_failed_operation_raises_what_the_sdk_raises(clock):
    failure = HttpResponseError("failed")
    with pytest.raises(HttpResponseError) as raised:
        run_operation("x", lambda: Operation(clock, 3, error=failure), lambda: None, deadline(clock))
    assert raised.value is failure


def test_another_operation_is_waited_for(clock):
    busy_until = 40.0

    def begin():
        if clock.now < busy_until:
            raise ResourceExistsError("in progress")
        return Operation(clock, 5, "made")

    state = lambda: "Updating" if clock.now < busy_until else "Succeeded"  # noqa: E731
    assert run_operation("endpoint e", begin, state, deadline(clock)) == "made"
    assert clock.now < 60


def test_a_conflict_that_is_no_operation_in_progress_is_raised_in_the_end(clock):
    def begin():
        raise ResourceExistsError("name taken")

    with pytest.raises(ResourceExistsError):
        run_operation("endpoint e", begin, lambda: "Succeeded", deadline(clock))
    assert clock.now < 60


def test_refusals_count_only_while_nothing_runs(clock):
    states = iter(["Updating", "Succeeded"] * 20)

    def begin():
        if clock.now < 10 * waiting.SETTLE_SECONDS:
            raise ResourceExistsError("in progress")
        return Operation(clock, 5, "made")

    assert run_operation("endpoint e", begin, lambda: next(states), deadline(clock)) == "made"


def test_another_operation_that_never_ends_runs_into_the_deadline(clock):
    with pytest.raises(DeploymentError, match="still Updating"):
        wait_until_settled("endpoint e", lambda: "Updating", deadline(clock, 60))


def test_a_resource_that_changes_is_read_often_at_first_and_then_less(clock):
    assert wait_until_settled("endpoint e", lambda: "Updating" if clock.now < 60 else "Succeeded", deadline(clock))
    assert clock.sleeps[:4] == [0.5, 0.75, 1.125, 1.6875]
    assert clock.sleeps == sorted(clock.sleeps)
    assert clock.sleeps[-1] == LONGEST_SECONDS


@pytest.mark.parametrize("state", ["Succeeded", "Failed", None])
def test_a_settled_resource_is_not_waited_for(clock, state):
    assert wait_until_settled("endpoint e", lambda: state, deadline(clock)) == state
    assert clock.now == 0


@pytest.mark.parametrize("lost", [ServiceRequestError("no route"), ServiceResponseError("reset")])
def test_a_request_that_got_lost_is_sent_again(clock, lost):
    begun = []

    def begin():
        begun.append(clock.now)
        if len(begun) < 3:
            raise lost
        return Operation(clock, 5, "made")

    assert run_operation("endpoint e", begin, lambda: "Succeeded", deadline(clock)) == "made"
    assert len(begun) == 3


def test_an_operation_whose_answer_got_lost_is_waited_for(clock):
    """The second look finds the resource as wanted; Azure has not finished with it for all that."""
    begun = []

    def begin():
        begun.append(clock.now)
        if len(begun) == 1:
            raise ServiceResponseError("reset after the effect")

    state = lambda: "Creating" if clock.now < 30 else "Succeeded"  # noqa: E731
    assert run_operation("endpoint e", begin, state, deadline(clock)) is None
    assert clock.now >= 30


@pytest.mark.parametrize(
    "lost",
    [
        ServiceResponseError("reset"),
        response_error(503, arm_error("ServerBusy", "later")),
        response_error(401, arm_error("TokenExpired", "expired")),
    ],
    ids=["reset", "503", "401"],
)
def test_the_end_of_an_operation_that_cannot_be_read_is_awaited_at_its_resource(clock, lost):
    begun = []

    def begin():
        begun.append(clock.now)
        return Operation(clock, 5, error=lost) if clock.now < 30 else None

    state = lambda: "Creating" if clock.now < 30 else "Succeeded"  # noqa: E731
    assert run_operation("endpoint e", begin, state, deadline(clock)) is None
    assert clock.now >= 30
    assert len(begun) == 2


def test_what_an_operation_made_may_not_show_for_a_while(clock):
    begun = []

    def begin():
        begun.append(clock.now)
        return Operation(clock, 5, error=response_error(404, kind=ResourceNotFoundError)) if len(begun) == 1 else None

    state = lambda: None if clock.now < 30 else "Succeeded"  # noqa: E731
    assert run_operation("endpoint e", begin, state, deadline(clock)) is None
    assert clock.now >= 30
    assert len(begun) == 2


def test_a_request_that_finds_nothing_to_work_on_is_an_error_at_once(clock):
    def begin():
        raise response_error(404, kind=ResourceNotFoundError)

    with pytest.raises(ResourceNotFoundError):
        run_operation("deployment d", begin, lambda: None, deadline(clock))
    assert clock.now == 0


def test_what_does_not_show_is_looked_for_and_at_some_time_no_more(clock):
    def read():
        if clock.now < 30:
            raise response_error(404, kind=ResourceNotFoundError)
        return "there"

    assert shown("endpoint e", read) == "there"
    clock.now = -waiting.SHOW_SECONDS * 2
    with pytest.raises(ResourceNotFoundError):
        shown("endpoint e", read)
    assert clock.now < 0


def test_what_shows_in_part_is_waited_for_and_taken_as_it_is_in_the_end(clock):
    assert shown("endpoint e", lambda: clock.now, lambda now: now >= 12) >= 12
    assert shown("endpoint e", lambda: "in part", lambda _found: False) == "in part"


def test_an_operation_that_cannot_be_read_again_and_again_is_an_error(clock):
    lost = ServiceResponseError("reset")
    with pytest.raises(ServiceResponseError):
        run_operation("endpoint e", lambda: Operation(clock, 5, error=lost), lambda: "Succeeded", deadline(clock))


def test_nothing_to_be_done_costs_no_time(clock):
    assert run_operation("endpoint e", lambda: None, lambda: "Succeeded", deadline(clock)) is None
    assert clock.now == 0


def test_a_state_that_cannot_be_read_is_an_error_in_words(clock):
    def refuse():
        raise ServiceRequestError("no route to host")

    with pytest.raises(Exception, match="reading the state of endpoint e: Azure cannot be reached"):
        wait_until_settled("endpoint e", refuse, deadline(clock))
