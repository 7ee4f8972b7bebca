"""Nothing answers: doctor still ends, and says which hosts did not respond."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kubernetes_api import write_kubeconfig

COMMAND = Path(sys.executable).with_name("kfp-azureml")


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that accepts connections and never responds."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=100)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_doctor_ends_if_nothing_answers(silent: str, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    credentials = dict.fromkeys(("AZ_SUBSCRIPTION_ID", "AZ_TENANT_ID", "AZ_CLIENT_ID", "AZ_CLIENT_SECRET"), "x" * 36)
    silence = {
        "HTTPS_PROXY": silent,
        "NO_PROXY": "127.0.0.1",
        "KUBECONFIG": str(write_kubeconfig(tmp_path / "kubeconfig", silent)),
        "KF_PIPELINES_ENDPOINT": silent,
        "PIP_INDEX_URL": f"{silent}/simple",
        "AZUREML_EMULATOR_CACHE": str(tmp_path / "empty"),
    }
    done = subprocess.run(
        [COMMAND, "doctor", "--json", "-g", "g", "-w", "w"],
        env={**kept, **credentials, **silence},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    failed = {check["name"] for check in json.loads(done.stdout)["checks"] if check["state"] == "failed"}
    assert failed == {
        "azure.host.management",
        "azure.host.login",
        "kubeflow.api",
        "kubeflow.cluster",
        "local.package-index",
    }
