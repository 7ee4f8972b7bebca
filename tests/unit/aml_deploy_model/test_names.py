import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfp_azureml.aml_deploy_model.names import check_name, derived_name
from kfp_azureml.errors import DeploymentError

FINGERPRINT = "0123456789abcdef"


@pytest.mark.parametrize("name", ["abc", "fashion-mnist", "a" * 32, "V1-x"])
def test_names_azure_takes(name):
    check_name(name, "endpoint_name")


@pytest.mark.parametrize("name", ["", "ab", "1ab", "-ab", "ab-", "a_b", "a.b", "a" * 33, "abc\n"])
def test_names_azure_refuses(name):
    with pytest.raises(DeploymentError, match="endpoint_name"):
        check_name(name, "endpoint_name")


def test_a_derived_name_tells_the_version():
    assert derived_name("7", FINGERPRINT) == "v7-01234567"


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}", fullmatch=True))
def test_a_derived_name_is_one_azure_takes_whatever_the_version(version):
    check_name(derived_name(version, FINGERPRINT), "deployment_name")
