"""Fixtures of the end-to-end tests of register and deploy."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from azure_day import Day, new_day
from azureml_emulator import EmulatorInfo
from azureml_jobs import emulator_with_images
from kfp_azureml.azureml.workspace import workspace_client
from kfp_azureml.azureml_pipelines import connect
from tiny_classifier import write_tiny_model, write_tiny_score


@pytest.fixture(scope="module")
def workspace(emulator):
    """Set the emulator's environment in this process; return resource group and workspace."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        yield {"resource_group": emulator.resource_group, "workspace": emulator.workspace}


@pytest.fixture(scope="session")
def azure():
    """Yield an Azure ML emulator whose jobs use this interpreter for the suite's images."""
    with emulator_with_images() as info:
        yield info


@pytest.fixture(scope="module")
def client(workspace):
    return workspace_client(**workspace)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("train") / "model")


@pytest.fixture(scope="module")
def scored(tmp_path_factory, model):
    return write_tiny_score(tmp_path_factory.mktemp("score") / "result", model)


@pytest.fixture(scope="module")
def day_client(azure: EmulatorInfo) -> Iterator[Any]:
    """Yield a client of the workspace that `day` runs in."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in azure.environment.items():
            patch.setenv(name, value)
        yield connect(azure.resource_group, azure.workspace)


@pytest.fixture
def day(azure: EmulatorInfo, tmp_path: Path) -> Day:
    """Return a run of `make test-azure`, not begun yet."""
    return new_day(azure, tmp_path)
