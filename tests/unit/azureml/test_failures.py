import json
from types import SimpleNamespace

import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
)

from kfp_azureml.azureml.failures import azure_errors, error_codes, explain
from kfp_azureml.errors import CredentialsError, DeploymentError, KfpAzuremlError, WorkspaceError


def response_error(status, error=None, kind=HttpResponseError):
    body = json.dumps({"error": error} if error else {})
    return kind(response=SimpleNamespace(status_code=status, reason="reason", text=lambda: body))


def arm_error(code, message="what the service says", details=()):
    return {"code": code, "message": message, "details": list(details)}


@pytest.mark.parametrize(
    ("status", "code", "expected", "advice"),
    [
        (403, "AuthorizationFailed", CredentialsError, "AzureML Data Scientist"),
        (403, "SomethingNew", CredentialsError, "AzureML Data Scientist"),
        (401, "InvalidAuthenticationToken", CredentialsError, "AZ_CLIENT_SECRET"),
        (401, "ExpiredAuthenticationToken", CredentialsError, "the access token ran out"),
        (404, "ResourceGroupNotFound", WorkspaceError, "check resource_group"),
        (404, "SubscriptionNotFound", WorkspaceError, "AZ_SUBSCRIPTION_ID"),
        (404, "ResourceNotFound", WorkspaceError, "does not exist"),
        (409, "MissingSubscriptionRegistration", WorkspaceError, "az provider register"),
        (400, "OutOfQuota", DeploymentError, "quota"),
        (429, "TooManyRequests", WorkspaceError, "throttling"),
    ],
)
def test_code_and_status_decide_what_a_failure_is(status, code, expected, advice):
    explained = explain(response_error(status, arm_error(code)), "doing it")
    assert type(explained) is expected
    assert str(explained).startswith("doing it: ")
    assert advice in str(explained)
    assert f"{code}: what the service says" in str(explained)


def test_the_innermost_known_code_decides_for_a_failed_operation():
    nested = arm_error("InternalError", details=[arm_error("ImageBuildFailure", "pip says no")])
    failed = response_error(200, nested)
    assert error_codes(failed) == ["InternalError", "ImageBuildFailure"]
    explained = explain(failed, "deployment v1", DeploymentError)
    assert "the environment could not be built" in str(explained)
    assert "InternalError/ImageBuildFailure: pip says no" in str(explained)


def test_an_operation_that_ended_without_an_error_was_cancelled():
    assert "cancelled in Azure" in str(explain(response_error(200), "deployment v1", DeploymentError))


def test_what_nobody_knows_keeps_the_callers_class_and_the_services_words():
    explained = explain(response_error(500, arm_error("Odd", "no idea")), "doing it", DeploymentError)
    assert type(explained) is DeploymentError
    assert str(explained) == "doing it: Odd: no idea"


def test_refused_credentials():
    explained = explain(ClientAuthenticationError("AADSTS7000215: Invalid client secret provided."), "workspace ws")
    assert type(explained) is CredentialsError
    assert "AADSTS7000215" in str(explained)


def test_an_unreachable_login_is_not_a_wrong_secret():
    error = ClientAuthenticationError("Authentication failed: no route")
    error.__cause__ = ServiceRequestError("no route to host")
    explained = explain(error, "workspace ws")
    assert type(explained) is WorkspaceError
    assert "cannot be reached" in str(explained)


def test_a_message_is_one_line_of_bounded_length():
    explained = str(explain(response_error(500, arm_error("Odd", "line\n" * 1000)), "doing it"))
    assert "\n" not in explained
    assert len(explained) < 500


def test_the_context_translates_azure_errors_and_nothing_else():
    with pytest.raises(WorkspaceError), azure_errors("doing it"):
        raise response_error(404, arm_error("ResourceNotFound"), ResourceNotFoundError)
    with pytest.raises(DeploymentError), azure_errors("doing it", DeploymentError):
        raise AzureError("anything")
    with pytest.raises(KeyError), azure_errors("doing it"):
        raise KeyError("ours")
    with pytest.raises(KfpAzuremlError, match=r"^ours$"), azure_errors("doing it"):
        raise KfpAzuremlError("ours")
