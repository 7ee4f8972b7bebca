"""The tests of a real workspace (`make test-azure`), run against a local one."""

import os
import subprocess
import sys
from pathlib import Path

from azureml_traffic import read

ROOT = Path(__file__).parents[2]


def run_tests(**environ: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("AZ_", "AZURE_TEST_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/azure"]
    return subprocess.run(
        command, cwd=ROOT, env={**ours, **environ}, capture_output=True, text=True, timeout=600, check=False
    )


def test_they_pass_on_a_local_azure_ml_and_record_what_was_said(tmp_path: Path) -> None:
    done = run_tests(AZURE_TEST_EMULATOR="1", AZURE_TEST_RECORDINGS=str(tmp_path))
    assert done.returncode == 0, done.stdout[-4000:]
    assert "2 passed" in done.stdout
    entries = read(tmp_path / "emulator.jsonl")
    said = {(entry["method"], entry["path"].rsplit("/", 2)[-2]) for entry in entries}
    assert {("PUT", "jobs"), ("PUT", "versions"), ("PUT", "onlineEndpoints"), ("PUT", "deployments")} <= said
    text = (tmp_path / "emulator.jsonl").read_text()
    for secret in ("Bearer", "kfpaz", "00000000-0000"):
        assert secret not in text


def test_without_a_workspace_they_say_what_to_set() -> None:
    done = run_tests()
    assert done.returncode == 1
    missing = "AZURE_TEST_RESOURCE_GROUP, AZURE_TEST_WORKSPACE, AZURE_TEST_REGISTRY, AZ_SUBSCRIPTION_ID"
    assert f"set {missing}, or EMULATOR=1 for the local Azure ML" in done.stdout
