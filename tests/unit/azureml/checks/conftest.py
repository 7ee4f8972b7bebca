"""An emulator for the checks of Azure, and a function that runs them in this process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from azureml_emulator import EmulatorInfo, running_emulator
from azureml_emulator.test_control.client import Control
from kfp_azureml.azureml.checks.azure_checks import azure_checks
from kfp_azureml.azureml.checks.network import network_checks
from kfp_azureml.azureml.checks.run_settings import RunSettings
from kfp_azureml.azureml.workspace_name import WorkspaceName
from kfp_azureml.runtime.checks import Result, State, run_checks

Faults = dict[str, Result]
Check = Callable[..., Faults]


@pytest.fixture(scope="module")
def azure() -> Iterator[EmulatorInfo]:
    with running_emulator(arguments=["--control", "--scoring", "instant"]) as info:
        yield info


@pytest.fixture
def control(azure: EmulatorInfo) -> Iterator[Control]:
    with Control(azure) as control:
        yield control
        control.reset()


@pytest.fixture
def environment(azure: EmulatorInfo, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The emulator's variables, and no others of Azure or Databricks; a test may change them."""
    for name in os.environ:
        if name.startswith(("AZ_", "AZURE_", "DATABRICKS_", "KUBERNETES_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name, value in azure.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        # Each client loads the certificates: the emulator's one loads faster than all public ones.
        monkeypatch.setenv(name, azure.ca_file)
    return monkeypatch


@pytest.fixture
def faults(azure: EmulatorInfo, control: Control, environment: pytest.MonkeyPatch) -> Check:
    """Return a function that runs all checks of Azure and returns those that are neither ok nor skipped, by name."""

    def check(workspace: Mapping[str, str] | None = None, **run: Any) -> Faults:
        names = {"resource_group": azure.resource_group, "workspace": azure.workspace, "subscription_id": ""}
        settings = RunSettings(
            WorkspaceName(**names | (workspace or {})), **{"model_name": "fashion-mnist", "everything": True} | run
        )
        checks = [*network_checks(), *azure_checks(settings, {"retry_total": 0})]
        results = {result.name: result for result in run_checks(checks)}
        assert list(results) == [check.name for check in checks]
        # Whatever is wrong can be mended.
        assert all(result.mend for result in results.values() if result.state in (State.WARNING, State.FAILED))
        return {name: one for name, one in results.items() if one.state in (State.WARNING, State.FAILED)}

    return check
