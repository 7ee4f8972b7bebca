import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfp_azureml.azureml.names import ENDPOINT, MODEL, check_name, derived_deployment_name, derived_endpoint_name
from kfp_azureml.runtime.errors import InvalidNameError

FINGERPRINT = "0123456789abcdef"


@pytest.mark.parametrize("name", ["abc", "fashion-mnist", "a" * 32, "V1-x"])
def test_names_azure_takes(name):
    check_name(ENDPOINT, name, "endpoint_name")


@pytest.mark.parametrize("name", ["", "ab", "1ab", "-ab", "ab-", "a_b", "a.b", "a" * 33, "abc\n"])
def test_names_azure_refuses(name):
    with pytest.raises(InvalidNameError, match="endpoint_name"):
        check_name(ENDPOINT, name, "endpoint_name")


@pytest.mark.parametrize("name", ["fashion", "a", "Fashion_1.2-x", "9lives"])
def test_model_names_azure_takes(name):
    check_name(MODEL, name, "model_name")


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "ä", "x" * 256, "a\n"])
def test_model_names_azure_refuses(name):
    with pytest.raises(InvalidNameError, match="model_name"):
        check_name(MODEL, name, "model_name")


def test_a_derived_deployment_name_tells_the_version():
    assert derived_deployment_name("7", FINGERPRINT) == "v7-01234567"


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}", fullmatch=True))
def test_a_derived_deployment_name_is_one_azure_takes_whatever_the_version(version):
    check_name(ENDPOINT, derived_deployment_name(version, FINGERPRINT), "deployment_name")


WORKSPACE = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws"


def test_a_derived_endpoint_name_is_the_same_again_but_another_in_another_workspace():
    name = derived_endpoint_name("Fashion_MNIST", WORKSPACE)
    assert name.startswith("fashion-mnist-")
    assert derived_endpoint_name("Fashion_MNIST", WORKSPACE.upper()) == name
    assert derived_endpoint_name("Fashion_MNIST", WORKSPACE + "2") != name


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}", fullmatch=True))
def test_a_derived_endpoint_name_is_one_azure_takes_whatever_the_model(model_name):
    check_name(ENDPOINT, derived_endpoint_name(model_name, WORKSPACE), "endpoint_name")
