"""`make test-kubeflow`, without a cluster."""

import re
import runpy
import subprocess
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from kfp.cli import cli as kfp_cli

import makefile
from command_lines import parse
from kfp_azureml.cli import commands
from kfp_azureml.compiling.sources import shipped_pipelines
from kfp_azureml.compiling.validation import validate_documents

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests/kubeflow/run"
TEXT = SCRIPT.read_text()
SHIPPED = shipped_pipelines() / "image_classification.yaml"
PROXY = "http://172.18.0.1:4000"


def test_bash_takes_the_script_and_it_says_how_it_is_called() -> None:
    assert subprocess.run(["bash", "-n", str(SCRIPT)], timeout=10, check=False).returncode == 0
    done = subprocess.run([str(SCRIPT), "many"], capture_output=True, text=True, timeout=10, check=False)
    assert (done.returncode, done.stderr) == (2, "usage: tests/kubeflow/run single|profiles\n")


def test_it_installs_the_release_that_the_page_does_and_that_our_kfp_belongs_to() -> None:
    (release,) = re.findall(r"^KFP=(\S+)", TEXT, re.MULTILINE)
    assert f"export KFP={release}\n" in (ROOT / "docs/aks.md").read_text()
    assert release == metadata.version("kfp")


def test_every_file_of_ours_that_it_names_is_there() -> None:
    named = set(re.findall(r"(?<=\s)(?:manifests|tests)/[\w./-]*\w", TEXT))
    assert {"tests/kubeflow/local_azure.py", "tests/kubeflow/ask.py", "manifests/base/limits"} <= named
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("given", [["--service-account", "a"], ["--namespace", "n", "--token-file", "t"]])
def test_the_command_lines_parse(tmp_path: Path, given: list[str]) -> None:
    package = tmp_path / "pipeline.yaml"
    package.touch()
    create = ["run", "create", "--experiment-name", "e", "--run-name", "r", "--timeout", "3600"]
    parse(kfp_cli.cli, ["--endpoint", PROXY, "--namespace", "n", *create, "--package-file", str(package), "a=b"])
    parse(commands, ["submit", str(package), "--timeout", "3600", *given, "--param", "epochs=1"])


def test_the_azure_steps_alone_are_shown_the_local_azure() -> None:
    change = runpy.run_path(str(ROOT / "tests/kubeflow/local_azure.py"))["with_local_azure"]
    pipeline, platform = change(list(yaml.safe_load_all(SHIPPED.read_text())), PROXY)
    validate_documents(SHIPPED, pipeline, platform)
    executors = pipeline["deploymentSpec"]["executors"]
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for label, executor in executors.items():
        environment = {each["name"]: each["value"] for each in executor["container"].get("env", [])}
        assert (environment.get("HTTPS_PROXY") == PROXY) is label.startswith("exec-aml-")
        assert ("configMapAsVolume" in pods[label]) is label.startswith("exec-aml-")


def test_the_nightly_workflow_runs_both_kinds() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/kubeflow.yml").read_text())
    job = workflow["jobs"]["kubeflow"]
    assert job["strategy"]["matrix"]["users"] == ["single", "profiles"]
    assert job["steps"][-1] == {"run": "make test-kubeflow", "env": {"USERS": "${{ matrix.users }}"}}
    commands_of_make = makefile.dry_run("test-kubeflow", "IMAGES=", REGISTRY="example.azurecr.io", TAG="9")
    assert "tests/kubeflow/run single && tests/kubeflow/run profiles" in commands_of_make
