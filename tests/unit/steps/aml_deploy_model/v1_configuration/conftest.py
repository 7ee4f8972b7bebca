"""Parameters and a code folder, as the component gets them."""

import json
from inspect import signature

import pytest

from kfp_azureml.components import aml_deploy_model
from kfp_azureml.steps.aml_deploy_model.parameters import Parameters


@pytest.fixture
def code(tmp_path):
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "score.py").write_text("def init(): ...\ndef run(data): ...\n")
    (folder / "environment.yml").write_text("dependencies: [python=3.6.2, {pip: [azureml-defaults, numpy]}]\n")
    return folder


@pytest.fixture
def parameters(code):
    """Return the component's parameters with its own defaults, but for those given."""
    defaults = {
        name: parameter.default
        for name, parameter in signature(aml_deploy_model.python_func).parameters.items()
        if name in Parameters.__dataclass_fields__
    }

    def make(**given):
        return Parameters(**defaults | {"code": code} | given)

    return make


@pytest.fixture
def write(code):
    """Write a configuration file into the code folder; return its name."""

    def make(document, name="config.json"):
        text = document if isinstance(document, str) else json.dumps(document)
        (code / name).write_text(text)
        return name

    return make
