"""`kfp-azureml doctor` as users run it: its output, exit codes and what it leaves out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator import EmulatorInfo, running_emulator
from azureml_emulator.test_control.client import Control
from kfp_azureml.azcreds import KEYS
from kubeflow_api import KubeflowApi
from kubernetes_api import KubernetesApi

COMMAND = Path(sys.executable).with_name("kfp-azureml")
HOSTILE = "s3cr3t-value-Ünï'$(touch pwned)\";--"
Doctor = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def azure() -> Iterator[EmulatorInfo]:
    with running_emulator(arguments=["--control", "--scoring", "instant"]) as info:
        yield info


@pytest.fixture
def doctor(tmp_path: Path) -> Doctor:
    """Return a function that runs the command in an empty folder, with some variables and no others of this kind."""
    ours = ("AZ", "KF_", "KUBE", "DATABRICKS_", "MSI_", "IDENTITY_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
    # Filled, so that no package index is needed.
    (tmp_path / "cache" / "azurite").mkdir(parents=True)
    kept["AZUREML_EMULATOR_CACHE"] = str(tmp_path / "cache")

    def run(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, "doctor", *options],
            env=kept | {"HOME": str(tmp_path)} | variables,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def names(done: subprocess.CompletedProcess[str], *states: str) -> set[str]:
    document = json.loads(done.stdout)
    assert done.stderr == ""
    assert document["healthy"] == (done.returncode == 0)
    return {check["name"] for check in document["checks"] if check["state"] in states}


def variables(azure: EmulatorInfo) -> Mapping[str, str]:
    """The client's environment as `azureml-emulator env` prints it, Databricks included."""
    return {**azure.environment}


def test_all_is_well(
    doctor: Doctor, azure: EmulatorInfo, cluster: KubernetesApi, kubeflow: KubeflowApi, tmp_path: Path
) -> None:
    config = {"subscription_id": azure.environment["AZ_SUBSCRIPTION_ID"], "resource_group": azure.resource_group}
    (tmp_path / "config.json").write_text(json.dumps({**config, "workspace_name": azure.workspace}))
    done = doctor(
        "--json",
        **variables(azure),
        KUBECONFIG=os.environ["KUBECONFIG"],
        KF_PIPELINES_ENDPOINT=kubeflow.url,
    )
    assert done.returncode == 0, done.stdout
    assert names(done, "failed", "warning") == set()
    checked = {name.partition(".")[0] for name in names(done, "ok")}
    assert checked == {"network", "azure", "databricks", "kubeflow", "local"}
    assert {path.name for path in tmp_path.iterdir()} <= {"config.json", "kubeconfig", "home", ".config", "cache"}


def test_what_is_not_configured_is_skipped_and_said(doctor: Doctor) -> None:
    done = doctor("--json")
    assert done.returncode == 0, done.stdout
    left_out = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert (left_out["azure"]["state"], left_out["kubeflow"]["state"]) == ("skipped", "skipped")
    assert "AZ_CLIENT_SECRET" in left_out["azure"]["message"]
    assert "KF_PIPELINES_ENDPOINT" in left_out["kubeflow"]["message"]


@pytest.mark.parametrize(
    ("option", "area", "failed"),
    [
        (("--pipeline", "missing.yaml"), "kubeflow", "kubeflow.images"),
        (("--service-account", "kfp-azureml-runner"), "kubeflow", "kubeflow.cluster"),
        (("--model-name", "fashion-mnist"), "azure", "azure.workspace-name"),
        (("--instance-type", "Standard_DS3_v2"), "azure", "azure.workspace-name"),
    ],
)
def test_an_option_of_an_area_asks_for_the_area(
    doctor: Doctor, option: tuple[str, str], area: str, failed: str
) -> None:
    done = doctor("--json", *option)
    assert failed in names(done, "failed")
    assert area not in names(done, "skipped")


@pytest.mark.parametrize(
    ("options", "changes", "denied", "failed"),
    [
        ((), {"AZ_CLIENT_SECRET": f"{HOSTILE} "}, (), "azure.credentials"),
        ((), {"AZ_CLIENT_SECRET": HOSTILE}, (), "azure.sign-in"),
        ((), {"REQUESTS_CA_BUNDLE": "/nowhere"}, (), "network.ca-bundle"),
        (("--workspace", "other"), {}, (), "azure.workspace"),
        (("--instance-type", "Standard_NC6s_v3"), {}, (), "azure.vm-size"),
        (("--endpoint-name", "-"), {}, (), "azure.endpoint-name"),
        ((), {}, ("Microsoft.MachineLearningServices/workspaces/models/*",), "azure.permission.models"),
    ],
)
def test_one_fault_in_azure(
    doctor: Doctor,
    azure: EmulatorInfo,
    options: tuple[str, ...],
    changes: Mapping[str, str],
    denied: tuple[str, ...],
    failed: str,
) -> None:
    place = ("--resource-group", azure.resource_group, "--workspace", azure.workspace)
    with Control(azure) as control:
        control.deny(*denied)
        done = doctor("--azure", "--json", *place, *options, **{**variables(azure), **changes})
        control.reset()
    assert done.returncode == 1
    assert names(done, "failed") == {failed}
    assert "s3cr3t" not in done.stdout


def test_secrets_are_in_no_output(
    doctor: Doctor, azure: EmulatorInfo, cluster: KubernetesApi, kubeflow: KubeflowApi, faults: Any, tmp_path: Path
) -> None:
    faults.keep_secret(cluster, dict.fromkeys(KEYS, f"{HOSTILE}\n"))
    (tmp_path / "token").write_text(HOSTILE.encode("ascii", "ignore").decode())
    hostile = dict.fromkeys(KEYS, f"'{HOSTILE}\t'") | {
        "DATABRICKS_HOST": "https://127.0.0.1",
        "DATABRICKS_TOKEN": HOSTILE,
        "HTTPS_PROXY": f"http://ada:{HOSTILE}@127.0.0.1:9",
        "PIP_INDEX_URL": f"http://ada:{HOSTILE}@127.0.0.1:9/simple",
        "KUBECONFIG": os.environ["KUBECONFIG"],
        "AZUREML_EMULATOR_CACHE": str(tmp_path / "empty"),
        "KFP_AZUREML_LOG_LEVEL": "DEBUG",
    }
    for options in ((), ("--json",)):
        done = doctor("--host", kubeflow.url, "--token-file", str(tmp_path / "token"), *options, **hostile)
        assert done.returncode == 1
        assert "s3cr3t" not in done.stdout + done.stderr
    assert not (tmp_path / "pwned").exists()


def test_the_lines_for_people(doctor: Doctor, azure: EmulatorInfo) -> None:
    place = ("--resource-group", azure.resource_group, "--workspace", azure.workspace)
    done = doctor("--azure", *place, **{**variables(azure), "AZ_CLIENT_SECRET": "wrong"})
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    (number,) = (number for number, line in enumerate(lines) if line.startswith("failed "))
    assert lines[number].split()[1] == "azure.sign-in"
    assert lines[number + 1].strip().startswith("mend: ")
    assert lines[-1].endswith(" skipped")
    assert "1 failed" in lines[-1]


def test_help_says_what_is_checked_and_what_fails(doctor: Doctor) -> None:
    text = " ".join(doctor("--help").stdout.split())
    for phrase in ("--azure", "--kubeflow", "--local", "--json", "exit code is 1", "changes nothing but"):
        assert phrase in text
