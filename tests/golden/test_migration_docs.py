"""The migration page names every field of the v1 files and every input and output of the old components."""

import re
from inspect import signature

import pytest

from kfp_azureml.components import aml_deploy_model, aml_register_model
from kfp_azureml.steps.aml_deploy_model.v1_configuration import deployment_config, inference_config
from kfp_azureml.steps.aml_deploy_model.v1_configuration.entry_script import ADVICE
from pages import ROOT

PAGE = (ROOT / "docs" / "migration.md").read_text()
OLD = (
    *("base_path", "model_file", "model_name", "tenant_id", "service_principal_id", "service_principal_password"),
    *("subscription_id", "resource_group", "workspace", "run_id", "deployment_name", "inference_config"),
    *("deployment_config", "output_config", "score_uri"),
)
FIELDS = (
    *inference_config.FIELDS,
    *deployment_config.TRANSLATED,
    *deployment_config.IGNORED,
    *deployment_config.REFUSED,
)


def rows(heading: str) -> str:
    """Return the table rows of a section."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return "\n".join(line for line in section.splitlines() if line.startswith("|"))


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_has_a_row(field: str) -> None:
    assert f"`{field}`" in rows("inferenceconfig.json") + rows("deploymentconfig.json")


@pytest.mark.parametrize("name", OLD)
def test_each_input_and_output_of_the_old_components_has_a_row(name: str) -> None:
    assert f"`{name}`" in rows("Inputs and outputs")


def test_each_refused_import_that_users_have_is_named() -> None:
    for package in ("azureml.core", "azureml.monitoring"):
        assert package in ADVICE
        assert package in rows("Entry script")


def test_what_the_example_passes_are_parameters() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    for component in (aml_register_model, aml_deploy_model):
        name = component.python_func.__name__
        passed = re.findall(r"(\w+)=", example.split(f" = {name}(")[1].split("\n       )")[0])
        assert passed
        assert set(passed) <= set(signature(component.python_func).parameters), name
