import logging

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError

from kfp_azureml.azureml import waiting
from kfp_azureml.azureml.waiting import Deadline, run_operation, wait_until_settled
from kfp_azureml.errors import DeploymentError


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Poller:
    """An operation that takes some time, as the SDK's poller shows it."""

    def __init__(self, clock, seconds, result="resource", error=None):
        self._clock, self._end, self._result, self._error = clock, clock.now + seconds, result, error

    def status(self):
        return "Succeeded" if self.done() else "InProgress"

    def done(self):
        return self._clock.now >= self._end

    def wait(self, timeout):
        self._clock.sleep(timeout)
        if self.done() and self._error:
            raise self._error

    def result(self):
        return self._result


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    return clock


def deadline(clock, seconds=600.0):
    return Deadline(seconds, look_at="https://studio", started=clock.now)


def test_waits_to_the_end_and_shows_state_and_time(clock, caplog):
    caplog.set_level(logging.INFO)
    result = run_operation("deployment v1", lambda: Poller(clock, 75), lambda: None, deadline(clock))
    assert result == "resource"
    assert caplog.messages == [
        "deployment v1: InProgress, 0 s elapsed",
        "deployment v1: InProgress, 30 s elapsed",
        "deployment v1: InProgress, 1 min 0 s elapsed",
        "deployment v1: Succeeded, 1 min 15 s elapsed",
    ]


def test_ends_at_the_stated_time_and_says_where_to_look(clock):
    with pytest.raises(DeploymentError, match=r"still InProgress after 1 min .*timeout_seconds=60.*https://studio"):
        run_operation("deployment v1", lambda: Poller(clock, 1e9), lambda: None, deadline(clock, 60))


def test_a_failed_operation_raises_what_the_sdk_raises(clock):
    failure = HttpResponseError("failed")
    with pytest.raises(HttpResponseError) as raised:
        run_operation("x", lambda: Poller(clock, 3, error=failure), lambda: None, deadline(clock))
    assert raised.value is failure


def test_another_operation_is_waited_for(clock):
    busy_until = 40.0

    def begin():
        if clock.now < busy_until:
            raise ResourceExistsError("in progress")
        return Poller(clock, 5)

    state = lambda: "Updating" if clock.now < busy_until else "Succeeded"  # noqa: E731
    assert run_operation("endpoint e", begin, state, deadline(clock)) == "resource"
    assert clock.now < 60


def test_a_conflict_that_is_no_operation_in_progress_is_raised_in_the_end(clock):
    def begin():
        raise ResourceExistsError("name taken")

    with pytest.raises(ResourceExistsError):
        run_operation("endpoint e", begin, lambda: "Succeeded", deadline(clock))
    assert clock.now < 60


def test_another_operation_that_never_ends_runs_into_the_deadline(clock):
    with pytest.raises(DeploymentError, match="still Updating"):
        wait_until_settled("endpoint e", lambda: "Updating", deadline(clock, 60))


@pytest.mark.parametrize("state", ["Succeeded", "Failed", None])
def test_a_settled_resource_is_not_waited_for(clock, state):
    assert wait_until_settled("endpoint e", lambda: state, deadline(clock)) == state
    assert clock.now == 0
