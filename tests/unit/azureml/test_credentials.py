import pytest

from kfp_azureml.azureml.credentials import chosen_credential, credential
from kfp_azureml.azureml.renewable_credential import forget_tokens
from kfp_azureml.runtime.errors import CredentialsError

TENANT = "11111111-1111-1111-1111-111111111111"
PRINCIPAL = {"AZ_TENANT_ID": TENANT, "AZ_CLIENT_ID": "client", "AZ_CLIENT_SECRET": "hidden"}
POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}


def kind(environ):
    return type(chosen_credential(environ)).__name__


def test_the_service_principal_of_azcreds_comes_first():
    assert kind(PRINCIPAL | POD | {"AZURE_FEDERATED_TOKEN_FILE": "/token"}) == "ClientSecretCredential"


def test_all_empty_keys_are_an_incomplete_service_principal_not_another_identity():
    with pytest.raises(CredentialsError, match="AZ_TENANT_ID, AZ_CLIENT_ID, AZ_CLIENT_SECRET missing"):
        credential(dict.fromkeys(PRINCIPAL, ""))


def test_a_malformed_tenant_is_a_credentials_error():
    with pytest.raises(CredentialsError, match="AZ_TENANT_ID is not a tenant id"):
        credential(PRINCIPAL | {"AZ_TENANT_ID": "not a tenant"})


WORKLOAD = {"AZURE_FEDERATED_TOKEN_FILE": "/token", "AZURE_CLIENT_ID": "client", "AZURE_TENANT_ID": TENANT}


def test_workload_identity_where_its_webhook_set_it_up():
    assert kind(WORKLOAD | POD) == "WorkloadIdentityCredential"


@pytest.mark.parametrize("name", ["AZURE_CLIENT_ID", "AZURE_TENANT_ID"])
def test_half_a_workload_identity_is_one_line_that_names_what_is_missing(name, monkeypatch):
    monkeypatch.setenv(name, "of another identity")
    environ = {key: value for key, value in WORKLOAD.items() if key != name}
    with pytest.raises(CredentialsError, match=rf"^{name} missing or empty .*azure\.workload\.identity/client-id"):
        credential(environ | POD)


def test_a_pod_without_any_identity_says_that_the_secret_is_missing():
    with pytest.raises(CredentialsError, match=r"the secret azcreds with AZ_SUBSCRIPTION_ID, .* is missing"):
        credential(POD)


@pytest.mark.parametrize(
    "named", [{"AZURE_CLIENT_ID": "identity"}, {"AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential"}]
)
def test_a_pod_that_names_its_nodes_managed_identity_needs_no_secret(named, monkeypatch):
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    assert kind(POD | named) == "DefaultAzureCredential"


def test_a_laptop_uses_what_it_has_and_never_asks(monkeypatch):
    monkeypatch.delenv("AZURE_TOKEN_CREDENTIALS", raising=False)
    members = {type(member).__name__ for member in chosen_credential({}).credentials}
    assert members >= {"EnvironmentCredential", "ManagedIdentityCredential", "AzureCliCredential"}
    assert not members & {"InteractiveBrowserCredential", "BrokerCredential", "VisualStudioCodeCredential"}


def test_a_refused_token_is_not_given_again(monkeypatch):
    made = []

    class Library:
        def __init__(self, *_names):
            made.append(self)

        def get_token_info(self, *_scopes, **_options):
            return f"token {made.index(self)}"

    monkeypatch.setattr("azure.identity.ClientSecretCredential", Library)
    renewable = credential(PRINCIPAL)
    assert [renewable.get_token_info("scope") for _ in range(2)] == ["token 0", "token 0"]
    forget_tokens()
    assert [renewable.get_token_info("scope") for _ in range(2)] == ["token 1", "token 1"]
