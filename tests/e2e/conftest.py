"""Fixtures of the end-to-end tests of register and deploy."""

import pytest

# Fixtures that pytest finds here.
from azure_day import azure, day, day_client  # noqa: F401
from kfp_azureml.azureml.workspace import workspace_client
from tiny_classifier import write_tiny_model, write_tiny_score


@pytest.fixture(scope="module")
def workspace(emulator):
    """Set the emulator's environment in this process; return resource group and workspace."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        yield {"resource_group": emulator.resource_group, "workspace": emulator.workspace}


@pytest.fixture(scope="module")
def client(workspace):
    return workspace_client(**workspace)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("train") / "model")


@pytest.fixture(scope="module")
def scored(tmp_path_factory, model):
    return write_tiny_score(tmp_path_factory.mktemp("score") / "result", model)
