import json

import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
)

from azure_errors import arm_error
from azure_manager import manage
from http_double import Response, json_response
from kfp_azureml.azureml.arm import resource_manager
from kfp_azureml.azureml.azure_errors import explain

PATH = "/subscriptions/s/providers/P/things/t"


@pytest.fixture
def manager(monkeypatch):
    return manage(monkeypatch)


@pytest.fixture
def arm(manager):
    with resource_manager() as client:
        yield client


def test_a_resource_is_got_as_json(manager, arm):
    manager.failing = [json_response(200, {"there": True})]
    assert arm.get(PATH, **{"api-version": "7", "$filter": "a eq 'b'"}) == {"there": True}
    (asked,) = manager.asked
    assert (asked.path, asked.query) == (PATH, {"api-version": ["7"], "$filter": ["a eq 'b'"]})


def test_a_resource_is_put_and_deleted(manager, arm):
    assert arm.put(PATH, {"location": "here"}, **{"api-version": "7"}) == {"id": PATH, "location": "here"}
    (asked,) = manager.asked
    assert json.loads(asked.body) == {"location": "here"}
    arm.delete(PATH, **{"api-version": "7"})
    assert not manager.settings


def test_what_is_gone_already_is_deleted(arm):
    arm.delete(PATH, **{"api-version": "7"})


def test_pages_are_read_to_the_last(manager, arm):
    manager.settings = {str(number): {"number": number} for number in range(5)}
    found = arm.pages("/subscriptions/s/autoscalesettings", **{"api-version": "7"})
    assert [one["number"] for one in found] == [0, 1, 2, 3, 4]
    assert len(manager.asked) == 3


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, HttpResponseError),
        (401, ClientAuthenticationError),
        (403, HttpResponseError),
        (404, ResourceNotFoundError),
        (409, ResourceExistsError),
    ],
)
def test_a_refusal_is_the_sdks_own_error_with_azures_code(manager, arm, status, kind):
    manager.failing = [json_response(status, {"error": arm_error("AuthorizationFailed")})]
    with pytest.raises(AzureError) as refused:
        arm.get(PATH, **{"api-version": "7"})
    assert type(refused.value) is kind
    assert "assign it the role" in str(explain(refused.value, "reading it"))


@pytest.mark.parametrize("failure", [json_response(429, {}, **{"Retry-After": "3"}), json_response(503, {}), None])
def test_a_failure_of_the_moment_is_sent_again(manager, arm, failure):
    manager.failing = [failure, json_response(200, {"there": True})]
    assert arm.get(PATH, **{"api-version": "7"}) == {"there": True}


def test_no_connection_is_azures_error_in_the_end(manager, arm):
    manager.failing = [None] * 100
    with pytest.raises(ServiceRequestError):
        arm.get(PATH, **{"api-version": "7"})


@pytest.mark.parametrize("content", [b"<html>a proxy's page</html>", b'{"value": [{"times'])
def test_an_answer_that_is_no_json_is_azures_error_too(manager, arm, content):
    manager.failing = [Response(200, content)]
    with pytest.raises(AzureError, match="JSON"):
        arm.get(PATH, **{"api-version": "7"})
