"""The secret as a step reads it; how it gets there the compiled pipeline shows."""

import pytest

from kfp_azureml.azcreds import service_principal, subscription_id
from kfp_azureml.runtime.errors import CredentialsError

PRINCIPAL = {"AZ_TENANT_ID": "tenant", "AZ_CLIENT_ID": "client", "AZ_CLIENT_SECRET": "hidden"}


def test_a_service_principal_is_read_and_does_not_show_its_secret():
    principal = service_principal({**PRINCIPAL, "OTHER": "x"})
    assert vars(principal) == {"tenant_id": "tenant", "client_id": "client", "client_secret": "hidden"}
    assert "hidden" not in repr(principal)


def test_no_key_at_all_is_no_service_principal():
    assert service_principal({"AZ_SUBSCRIPTION_ID": "sub"}) is None


@pytest.mark.parametrize("key", PRINCIPAL)
@pytest.mark.parametrize("how", ["missing", "empty"])
def test_an_incomplete_service_principal_is_one_line_that_names_the_key(key, how):
    environ = {**PRINCIPAL, key: ""} if how == "empty" else {k: v for k, v in PRINCIPAL.items() if k != key}
    with pytest.raises(CredentialsError) as refused:
        service_principal(environ)
    assert (
        str(refused.value) == f"{key} missing or empty: set the environment variable, on Kubeflow in the secret azcreds"
    )


def test_the_subscription_is_read_from_the_environment():
    assert subscription_id({"AZ_SUBSCRIPTION_ID": "sub"}) == "sub"


@pytest.mark.parametrize("environ", [{}, {"AZ_SUBSCRIPTION_ID": ""}])
def test_a_missing_subscription_names_its_key(environ):
    with pytest.raises(CredentialsError) as refused:
        subscription_id(environ)
    # For the command line on a laptop, which has no secret, too.
    assert str(refused.value) == (
        "AZ_SUBSCRIPTION_ID is missing or empty: set subscription_id (--subscription-id) or this environment variable, "
        "on Kubeflow in the secret azcreds"
    )


DAMAGED = {
    "value\n": "ends in white space",
    "value\r\n": "ends in white space",
    "value ": "ends in white space",
    "value\t": "ends in white space",
    "\n": "ends in white space",
    " value": "begins with white space",
    "\ufeffvalue": "begins with a byte order mark",
    '"value"': "is in quotation marks",
    "'value'": "is in quotation marks",
    "va\nlue": "contains an unprintable character",
    "va\u200blue": "contains an unprintable character",
}


@pytest.mark.parametrize("key", PRINCIPAL)
@pytest.mark.parametrize(("value", "said"), DAMAGED.items())
def test_a_damaged_value_is_one_line_that_names_its_key_and_never_shows_it(key, value, said):
    with pytest.raises(CredentialsError) as refused:
        service_principal({**PRINCIPAL, key: value})
    assert str(refused.value).startswith(f"{key} {said}: remove the ")
    assert str(refused.value).endswith(" in the environment variable, on Kubeflow in the secret azcreds")


@pytest.mark.parametrize(("value", "said"), DAMAGED.items())
def test_so_is_a_damaged_subscription(value, said):
    with pytest.raises(CredentialsError) as refused:
        subscription_id({"AZ_SUBSCRIPTION_ID": value})
    assert str(refused.value).startswith(f"AZ_SUBSCRIPTION_ID {said}: remove the ")
