"""Run the example pipelines in the READMEs of register, deploy and reconcile."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from kfp import compiler
from kfp.dsl.base_component import BaseComponent

import kfp_azureml
from azureml_emulator import EmulatorInfo, running_emulator
from azureml_rest import signed_in_workspace
from tiny_classifier import write_tiny_model

STEPS = Path(kfp_azureml.__file__).parent / "steps"
ENDPOINT = "from-the-readme"


@pytest.fixture(scope="module")
def instant_emulator():
    with running_emulator(arguments=["--scoring", "instant"]) as info:
        yield info


def example(component: str, pipeline: str, folder: Path) -> Path:
    """Compile a pipeline of a component's README."""
    readme = (STEPS / component / "README.md").read_text()
    for block in re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL):
        names: dict[str, object] = {}
        exec(block, names)  # noqa: S102 - our own README
        if isinstance(names.get(pipeline), BaseComponent):
            compiler.Compiler().compile(names[pipeline], str(folder / f"{pipeline}.yaml"))
            return folder / f"{pipeline}.yaml"
    raise AssertionError(f"{component}/README.md has no pipeline {pipeline}")


def run(emulator: EmulatorInfo, folder: Path, component: str, pipeline: str, **parameters: str) -> None:
    workspace = {"resource_group": emulator.resource_group, "workspace": emulator.workspace}
    options = [word for name, value in {**workspace, **parameters}.items() for word in ("--param", f"{name}={value}")]
    command = [str(Path(sys.executable).with_name("kfp-azureml")), "run", "--azure", "--runs", str(folder / "runs")]
    done = subprocess.run(
        [*command, str(example(component, pipeline, folder)), *options],
        env={**os.environ, **emulator.environment},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_register_deploy_and_clean_up(instant_emulator: EmulatorInfo, tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model")
    (model / "MLmodel").write_text("flavors: {}\n")
    run(instant_emulator, tmp_path, "aml_register_model", "register_only", model_uri=str(model))
    registered = {"model_name": "mine", "model_version": "1"}
    on_endpoint = {**registered, "endpoint_name": ENDPOINT}
    run(instant_emulator, tmp_path, "aml_deploy_model", "deploy_only", **on_endpoint)
    request = tmp_path / "request.json"
    request.write_text('{"input_data": [[1.0, 2.0]]}')
    run(instant_emulator, tmp_path, "aml_deploy_model", "careful_deploy", request_uri=str(request), **on_endpoint)
    run(instant_emulator, tmp_path, "aml_reconcile", "deploy_with_cleanup", **registered)
    with signed_in_workspace(instant_emulator) as azure:
        (deployment,) = azure.get(f"onlineEndpoints/{ENDPOINT}/deployments")["value"]
        endpoints = azure.get("onlineEndpoints")["value"]
    assert deployment["properties"]["provisioningState"] == "Succeeded"
    assert [endpoint["properties"]["traffic"] for endpoint in endpoints] == [{deployment["name"]: 100}] * 2
