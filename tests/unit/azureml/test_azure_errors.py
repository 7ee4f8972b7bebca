import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    ResourceNotFoundError,
    ServiceRequestError,
)

from azure_errors import arm_error, response_error
from http_double import json_response
from https_double import answer_https
from kfp_azureml.azureml.azure_errors import azure_errors, error_codes, explain
from kfp_azureml.azureml.credentials import FEDERATED_TOKEN_FILE, credential
from kfp_azureml.runtime.errors import CredentialsError, DeploymentError, KfpAzuremlError, WorkspaceError


@pytest.mark.parametrize(
    ("status", "code", "expected", "advice"),
    [
        (403, "AuthorizationFailed", CredentialsError, "AzureML Data Scientist"),
        (403, "SomethingNew", CredentialsError, "AzureML Data Scientist"),
        (401, "InvalidAuthenticationToken", CredentialsError, "AZ_CLIENT_SECRET"),
        (401, "ExpiredAuthenticationToken", CredentialsError, "the access token expired"),
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


def test_an_answer_that_is_no_json_is_not_a_cancelled_operation():
    explained = explain(response_error(200, kind=DecodeError), "reading endpoint e", DeploymentError)
    assert type(explained) is WorkspaceError
    assert str(explained).startswith("reading endpoint e: the response is truncated or not from Azure")


def test_what_nobody_knows_keeps_the_callers_class_and_the_services_words():
    explained = explain(response_error(500, arm_error("Odd", "no idea")), "doing it", DeploymentError)
    assert type(explained) is DeploymentError
    assert str(explained) == "doing it: Odd: no idea"


def test_refused_credentials():
    explained = explain(ClientAuthenticationError("no code in it"), "workspace ws")
    assert type(explained) is CredentialsError
    assert "check AZ_TENANT_ID, AZ_CLIENT_ID, AZ_CLIENT_SECRET (on Kubeflow in the secret azcreds)" in str(explained)


TENANT = "11111111-1111-1111-1111-111111111111"
AUTHORITY = f"https://login.microsoftonline.com/{TENANT}"


@pytest.fixture
def sign_in(monkeypatch, tmp_path):
    """Sign in with the real identity library, by the secret or by workload identity; Entra answers with a code."""
    (tmp_path / "token").write_text("the-federated-token")
    environ = {
        "secret": {"AZ_TENANT_ID": TENANT, "AZ_CLIENT_ID": "c", "AZ_CLIENT_SECRET": "s" * 40},
        "workload identity": {
            FEDERATED_TOKEN_FILE: str(tmp_path / "token"),
            "AZURE_TENANT_ID": TENANT,
            "AZURE_CLIENT_ID": "c",
        },
    }

    def attempt(how, status, code):
        def answer(request):
            if request.path.endswith("/token"):
                said = f"AADSTS{code}: what Entra says. Trace ID: 7000215 Timestamp: 2026"
                return json_response(
                    status, {"error": "invalid_client", "error_description": said, "error_codes": [code]}
                )
            return json_response(
                200,
                {
                    "token_endpoint": f"{AUTHORITY}/oauth2/v2.0/token",
                    "authorization_endpoint": f"{AUTHORITY}/oauth2/v2.0/authorize",
                    "issuer": f"{AUTHORITY}/v2.0",
                    "tenant_discovery_endpoint": f"{AUTHORITY}/v2.0/.well-known/openid-configuration",
                    "api-version": "1.1",
                    "metadata": [],
                },
            )

        answer_https(monkeypatch, answer)
        with azure_errors("workspace ws"):
            credential(environ[how]).get_token("https://management.azure.com/.default")

    return attempt


@pytest.mark.parametrize("how", ["secret", "workload identity"])
@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (401, 7000222, "the client secret has expired"),
        (401, 7000215, "AZ_CLIENT_SECRET is not a secret of the application"),
        (400, 700016, "the application does not exist in the tenant"),
        (400, 90002, "the tenant does not exist"),
        (400, 70021, "the identity does not trust the pod's service account"),
        (401, 700213, "the identity does not trust the pod's service account"),
        (400, 53003, "Azure rejected the credentials"),
        (401, 50034, "Azure rejected the credentials"),
    ],
)
def test_entras_code_says_what_is_wrong_with_the_credentials(sign_in, how, status, code, advice):
    with pytest.raises(CredentialsError) as refused:
        sign_in(how, status, code)
    assert str(refused.value).startswith(f"workspace ws: {advice}")
    assert f"AADSTS{code}" in str(refused.value)


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
