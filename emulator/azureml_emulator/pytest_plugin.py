"""Fixtures for projects that test against the emulator.

One emulator runs per test session, from the first test that uses it. Each such test gets a fresh workspace.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from azureml_emulator.info import EmulatorInfo
    from azureml_emulator.test_control.client import Control

ARGUMENTS = "azureml_emulator_arguments"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option `azureml_emulator_arguments`."""
    parser.addini(ARGUMENTS, "More arguments for `azureml-emulator start`, such as --scoring=instant.", type="args")


@pytest.fixture(scope="session")
def _azureml_emulator(pytestconfig: pytest.Config) -> Iterator[tuple[EmulatorInfo, Control]]:
    from azureml_emulator.emulator import running_emulator
    from azureml_emulator.test_control.client import Control

    # The SDK polls every 5 or 30 s unless the service names a pace.
    arguments = ["--control", "--retry-after=1", *pytestconfig.getini(ARGUMENTS)]
    with running_emulator(arguments=arguments) as info, Control(info) as control:
        yield info, control


@pytest.fixture
def azureml_emulator(_azureml_emulator: tuple[EmulatorInfo, Control], monkeypatch: pytest.MonkeyPatch) -> EmulatorInfo:
    """A fresh workspace; the test's environment leads to it."""
    info, control = _azureml_emulator
    control.reset()
    for name, value in info.environment.items():
        monkeypatch.setenv(name, value)
    return info


@pytest.fixture
def azureml_control(
    azureml_emulator: EmulatorInfo,  # noqa: ARG001 - it makes the workspace fresh
    _azureml_emulator: tuple[EmulatorInfo, Control],
) -> Control:
    """The control API: recorded requests, injected faults, forced behaviours."""
    return _azureml_emulator[1]


@pytest.fixture
def ml_client(azureml_emulator: EmulatorInfo) -> MLClient:
    """The real azure-ai-ml client of the emulator's workspace; skips if not installed."""
    ml = pytest.importorskip("azure.ai.ml", reason="azure-ai-ml is not installed")
    identity = pytest.importorskip("azure.identity", reason="azure-identity is not installed")
    names = azureml_emulator.environment
    client: MLClient = ml.MLClient(
        identity.ClientSecretCredential(names["AZ_TENANT_ID"], names["AZ_CLIENT_ID"], names["AZ_CLIENT_SECRET"]),
        names["AZ_SUBSCRIPTION_ID"],
        azureml_emulator.resource_group,
        azureml_emulator.workspace,
        enable_telemetry=False,
    )
    return client
