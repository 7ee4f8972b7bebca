"""A whole run at debug level: neither output nor files contain a secret."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from azureml_emulator import EmulatorInfo, running_emulator
from azureml_rest import signed_in_workspace
from fashion_slice import write_fashion_slice

# Tokens, signatures, and everything in the place of a token.
SECRETS = re.compile(rb"eyJ[\w-]{10,}\.[\w-]+\.|(?<![a-z_-])sig=(?!\*\*\*)|Bearer (?!\*\*\*)[\w.-]{20,}", re.IGNORECASE)
ENDPOINT = "chatty"


@pytest.fixture(scope="module")
def own_emulator(tmp_path_factory: pytest.TempPathFactory):
    """Run an emulator whose secrets are known to the test."""
    with running_emulator() as info:
        yield info


def test_nothing_secret_is_printed_or_kept(own_emulator: EmulatorInfo, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    write_fashion_slice(images)
    parameters = {
        "resource_group": own_emulator.resource_group,
        "workspace": own_emulator.workspace,
        "endpoint_name": ENDPOINT,
        "epochs": "1",
        "batch_size": "64",
        "min_accuracy": "0.3",
    }
    run = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("kfp-azureml")), "run", "--azure"),
            *("--runs", str(tmp_path / "runs"), "--data", str(images)),
            *(word for name, value in parameters.items() for word in ("--param", f"{name}={value}")),
        ],
        env={**os.environ, **own_emulator.environment, "KFP_AZUREML_LOG_LEVEL": "DEBUG"},
        capture_output=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr.decode()
    with signed_in_workspace(own_emulator) as azure:
        keys = azure.post(f"onlineEndpoints/{ENDPOINT}/listKeys")
    known = [own_emulator.environment["AZ_CLIENT_SECRET"], *keys.values()]

    kept = {str(path): path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file()}
    assert any(b"DEBUG" in content or b"urllib3" in content for content in kept.values()), "nothing was logged at DEBUG"
    for name, content in {"stdout": run.stdout, "stderr": run.stderr, **kept}.items():
        for secret in known:
            assert secret.encode() not in content, name
        found = SECRETS.search(content)
        assert not found, (name, content[max(0, found.start() - 100) : found.end() + 20])
