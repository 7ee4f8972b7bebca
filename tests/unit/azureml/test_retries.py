import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)

from azure_errors import response_error
from clock import Clock
from kfp_azureml.azureml import retries
from kfp_azureml.azureml.retries import LONGEST_PAUSE_SECONDS, TRIES, is_transient, retrying


@pytest.fixture
def clock(monkeypatch):
    return Clock().pass_in(monkeypatch, retries)


def unreachable_login():
    error = ClientAuthenticationError("Authentication failed: no route")
    error.__cause__ = ServiceRequestError("no route to host")
    return error


@pytest.mark.parametrize(
    ("error", "again"),
    [
        *((response_error(status), True) for status in (408, 429, 500, 502, 503, 504)),
        *((response_error(status), False) for status in (200, 400, 403, 404, 409, 412, 424, 501)),
        (response_error(409, kind=ResourceExistsError), False),
        (response_error(404, kind=ResourceNotFoundError), False),
        (ServiceRequestError("no route to host"), True),
        (ServiceResponseError("reset"), True),
        (ServiceResponseTimeoutError("slow"), True),
        (IncompleteReadError("cut"), True),
        (DecodeError("cut, or a proxy's own page"), True),
        (unreachable_login(), True),
        (ClientAuthenticationError("AADSTS7000215: Invalid client secret provided."), False),
        (HttpResponseError("an operation failed"), False),
        (AzureError("anything"), False),
    ],
    ids=lambda one: f"{type(one).__name__}-{getattr(one, 'status_code', '')}" if isinstance(one, Exception) else None,
)
def test_only_what_may_be_gone_in_a_moment_is_tried_again(clock, error, again):
    calls = []

    def call():
        calls.append(clock.now)
        if len(calls) == 1:
            raise error
        return "there"

    assert is_transient(error) == again
    if again:
        assert retrying("reading it", call) == "there"
    else:
        with pytest.raises(type(error)) as raised:
            retrying("reading it", call)
        assert raised.value is error
    assert len(calls) == 1 + again


def test_what_is_no_failure_of_azure_is_not_tried_again(clock):
    with pytest.raises(ZeroDivisionError):
        retrying("counting", lambda: 1 / 0)
    assert not clock.sleeps


def test_the_budget_ends_with_the_last_error(clock, caplog):
    errors = [response_error(503) for _ in range(10)]
    left = list(errors)

    def call():
        raise left.pop(0)

    with pytest.raises(HttpResponseError) as raised:
        retrying("reading it", call)
    assert raised.value is errors[TRIES - 1]
    assert clock.sleeps == [2.0, 4.0, 8.0]
    assert [message.split(":")[0] for message in caplog.messages] == ["reading it"] * (TRIES - 1)


@pytest.mark.parametrize(
    ("header", "pause"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "1"}, 2.0),
        ({"Retry-After": "86400"}, LONGEST_PAUSE_SECONDS),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 2.0),
        ({"Retry-After": "-5"}, 2.0),
        ({}, 2.0),
    ],
)
def test_azures_own_pause_is_kept_within_reason(clock, header, pause):
    left = [response_error(429, headers=header)]

    def call():
        if left:
            raise left.pop()

    retrying("reading it", call)
    assert clock.sleeps == [pause]


def test_a_refused_token_is_forgotten_and_the_call_made_again_at_once(clock, monkeypatch):
    forgotten = []
    monkeypatch.setattr("kfp_azureml.azureml.retries.forget_tokens", lambda: forgotten.append(True))
    refusals = [response_error(401, kind=ClientAuthenticationError) for _ in range(2)]

    def call():
        if refusals:
            raise refusals.pop()
        return "there"

    assert retrying("reading it", call) == "there"
    assert len(forgotten) == 2
    assert not any(clock.sleeps)
