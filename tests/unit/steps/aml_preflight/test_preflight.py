"""What is checked before training starts, and what prep's cached result is valid for."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from azureml_emulator import EmulatorInfo, running_emulator
from azureml_emulator.test_control.client import Control
from azureml_emulator.test_control.faults import Answer
from kfp_azureml.azureml.checks.run_settings import RunSettings
from kfp_azureml.azureml.workspace_name import WorkspaceName
from kfp_azureml.components import aml_deploy_model, aml_preflight
from kfp_azureml.runtime.errors import DeploymentError, KfpAzuremlError, WorkspaceError
from kfp_azureml.steps.aml_preflight.preflight import cache_version, find_live, preflight


@pytest.fixture(scope="module")
def azure() -> Iterator[EmulatorInfo]:
    with running_emulator(arguments=["--control", "--scoring", "instant"]) as info:
        yield info


@pytest.fixture
def control(azure: EmulatorInfo, monkeypatch: pytest.MonkeyPatch) -> Iterator[Control]:
    """Control of the emulator, in whose environment the test is."""
    for name, value in azure.environment.items():
        monkeypatch.setenv(name, value)
    with Control(azure) as control:
        yield control
        control.reset()


def settings(**given: Any) -> RunSettings:
    return RunSettings(WorkspaceName("local", "local", ""), **{"model_name": "fashion-mnist"} | given)


def test_only_a_named_version_of_the_data_is_shared_between_runs() -> None:
    assert cache_version("2026-11", "run-1") == cache_version("2026-11", "run-2")
    assert cache_version("", "run-1") != cache_version("", "run-2")


def test_a_run_for_which_everything_is_there(control: Control, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    preflight(settings(strategy="canary", traffic_steps=[10.0, 100.0]))
    assert "workspace local in resource group local exists, in eastus; " in caplog.text
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_everything_that_is_missing_is_named_at_once(control: Control, caplog: pytest.LogCaptureFixture) -> None:
    control.deny("Microsoft.MachineLearningServices/workspaces/models/versions/write", "Microsoft.Insights/*")
    with pytest.raises(WorkspaceError) as failed:
        preflight(settings(instance_type="Standard_NC6s_v3", endpoint_name="under_score"))
    message = str(failed.value)
    assert message.startswith("3 of ")
    assert "\n" not in message
    missing = ("azure.endpoint-name: ", "azure.permission.models: ", "azure.vm-size: ")
    assert [message.count(name) for name in missing] == [1, 1, 1]
    assert 'mend: az role assignment create --assignee "$AZ_CLIENT_ID" --role "AzureML Data Scientist"' in message
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert [line.partition(": ")[0] + ": " for line in lines] == list(missing)
    warned = [record.getMessage().partition(":")[0] for record in caplog.records if record.levelno == logging.WARNING]
    assert warned == ["azure.permission.autoscale", "azure.permission.metrics"]


def test_a_transient_error_is_retried(control: Control) -> None:
    failing = [Answer(path=f"*/{path}", status=503) for path in ("workspaces/local", "usages", "permissions")]
    control.set_faults(failing)
    preflight(settings())


def test_the_output_is_the_version_that_prep_is_cached_under(control: Control) -> None:
    assert aml_preflight.component_spec.outputs.keys() == {"data_version", "live_model"}
    assert aml_preflight.python_func("local", "local", run_id="run-1") == ("run-1", "off")
    assert aml_preflight.python_func("local", "local", data_version="2026-11", run_id="run-1") == ("2026-11", "off")


def test_the_live_model_is_looked_for_only_if_it_is_asked_for(control: Control) -> None:
    fashion = {"model_name": "fashion-mnist", "run_id": "run-1"}
    control.clear_requests()
    assert aml_preflight.python_func("local", "local", **fashion)[1] == "off"
    without = len(control.requests())
    control.clear_requests()
    assert aml_preflight.python_func("local", "local", compare_with_live=True, **fashion)[1] == "none"
    assert len(control.requests()) > without


def test_an_endpoint_is_needed_to_look_for_the_live_model(control: Control) -> None:
    with pytest.raises(DeploymentError, match="no endpoint is named: set endpoint_name, or model_name to derive it"):
        find_live(settings(model_name=""))


def test_an_endpoint_that_cannot_be_read_is_one_line(control: Control) -> None:
    control.set_faults([Answer(path="*/onlineEndpoints/*", status=403, times=None)])
    with pytest.raises(KfpAzuremlError, match=r"^reading endpoint fashion-mnist-\w+: [^\n]+$"):
        find_live(settings())


def test_a_fault_fails_the_step(control: Control, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        aml_preflight.python_func("local", "local", endpoint_name="-")
    assert "aml_preflight: 1 of " in capsys.readouterr().err


def test_the_parameters_of_the_deployment_have_the_types_of_deploy() -> None:
    checked, deployed = aml_preflight.component_spec.inputs, aml_deploy_model.component_spec.inputs
    for name in ("endpoint_name", "instance_type", "instance_count", "compute", "strategy", "traffic_steps"):
        assert checked[name].type == deployed[name].type
