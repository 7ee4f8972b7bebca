"""Packages that components install, in environments of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler, dsl

from kfp_azureml.local.event_log import EventLog
from kfp_azureml.local.pipeline_process import StepSettings
from kfp_azureml.local.step_packages import check_commands, install_packages, split_command
from kfp_azureml.local.supervisor import supervise
from kfp_azureml.runtime.errors import PipelineError

# A wheel needs no index: the packages of tests come from a folder.
PACKAGE = """
import sys, zipfile
name = f"{sys.argv[1]}/localthing-4.5-py3-none-any.whl"
with zipfile.ZipFile(name, "w") as wheel:
    wheel.writestr("localthing.py", "VERSION = '4.5'")
    wheel.writestr("localthing-4.5.dist-info/METADATA", "Metadata-Version: 2.1\\nName: localthing\\nVersion: 4.5\\n")
    wheel.writestr("localthing-4.5.dist-info/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
    wheel.writestr("localthing-4.5.dist-info/RECORD", "")
"""


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    subprocess.run([sys.executable, "-c", PACKAGE, str(folder)], check=True)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@dsl.component(
    base_image="python:3.11", packages_to_install=["localthing==4.5"], pip_index_urls=["https://localhost/simple"]
)
def needs() -> str:
    import kfp
    import localthing

    import kfp_azureml

    return f"{localthing.VERSION} {bool(kfp)} {bool(kfp_azureml)}"


@dsl.component(base_image="python:3.11")
def needs_kfp_only() -> str:
    import importlib.util

    return str(importlib.util.find_spec("localthing"))


@dsl.component(base_image="python:3.11", packages_to_install=["no-such-thing==1"], install_kfp_package=False)
def needs_what_is_not_there() -> None: ...


@dsl.container_component
def box() -> dsl.ContainerSpec:
    return dsl.ContainerSpec(image="debian:12", command=["true"])


def compiled(folder: Path, *components: Any) -> tuple[Path, dict[str, Any]]:
    @dsl.pipeline(name="inner")
    def inner() -> None:
        for component in components:
            component()

    @dsl.pipeline(name="outer")
    def outer() -> None:
        inner()

    path = folder / "p.yaml"
    compiler.Compiler().compile(outer, str(path))
    document = next(iter(yaml.safe_load_all(path.read_text())))
    return path, document["deploymentSpec"]["executors"]


def test_they_are_installed_for_their_step_alone(tmp_path: Path, wheels: Path) -> None:
    path, executors = compiled(tmp_path, needs, needs_kfp_only)
    before = subprocess.run([sys.executable, "-m", "pip", "list"], capture_output=True, check=True).stdout
    said: list[str] = []
    check_commands(executors, docker=False)
    binaries = install_packages(executors, tmp_path / "environments (1)", said.append)
    assert said == ["Packages: installing localthing==4.5 for needs"]
    assert list(binaries) == ["exec-needs"]
    # The step itself has no index and installs nothing.
    environment = {"PATH": os.environ["PATH"], "PIP_NO_INDEX": "1"}
    events = EventLog(tmp_path / "events.jsonl")
    supervise(path, {}, events, environment, lambda step: None, StepSettings(binaries=binaries))
    results = {
        file.parent.name: json.loads(file.read_text())["parameterValues"]["Output"]
        for file in (tmp_path / "outputs").rglob("executor_output.json")
    }
    assert results == {"needs": "4.5 True True", "needs-kfp-only": "None"}
    assert subprocess.run([sys.executable, "-m", "pip", "list"], capture_output=True, check=True).stdout == before


def test_a_package_that_is_not_there_is_one_line(tmp_path: Path, wheels: Path) -> None:
    _, executors = compiled(tmp_path, needs_what_is_not_there)
    with pytest.raises(PipelineError) as failure:
        install_packages(executors, tmp_path / "environments", lambda line: None)
    assert str(failure.value) == (
        "needs_what_is_not_there: its packages cannot be installed: No matching distribution found for no-such-thing==1"
    )


def test_what_cannot_be_run_here_is_refused_before_the_run(tmp_path: Path) -> None:
    _, executors = compiled(tmp_path, box)
    with pytest.raises(PipelineError, match=r"^box: runs in its own image: add --docker$"):
        check_commands(executors, docker=False)
    check_commands(executors, docker=True)
    _, executors = compiled(tmp_path, needs)
    with pytest.raises(PipelineError, match=r"^needs: installs localthing==4.5, but containers of steps are read-only"):
        check_commands(executors, docker=True)
    _, executors = compiled(tmp_path, needs_kfp_only)
    check_commands(executors, docker=True)


def test_a_command_without_installation_stays_as_it_is() -> None:
    for command in (["sh", "-ec", "x", "y"], ["true"], [], ["sh", "-c", "python3 -m pip install x", "sh"]):
        assert split_command(command) == ([], command)
