"""The emulator's wheel in an empty environment, outside of this repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import distributions, version
from pathlib import Path
from zipfile import ZipFile

import pytest

from azureml_emulator.machine.cache import cache_root

EMULATOR = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
SECONDS = 300
# Not on an index.
OURS = ("azureml-emulator", "kfp-azureml")
PROGRAM = """
import os
from azure.ai.ml import MLClient
from azure.identity import DefaultAzureCredential

client = MLClient(DefaultAzureCredential(), os.environ["AZ_SUBSCRIPTION_ID"], "local", "local")
print(client.workspaces.get("local").name)
"""

ENVIRONMENT = """
import os

BEFORE = {**os.environ, "PYTEST_CURRENT_TEST": ""}


def test_one(azureml_emulator):
    assert os.environ["HTTPS_PROXY"] == azureml_emulator.proxy_url


def test_two():
    assert {**os.environ, "PYTEST_CURRENT_TEST": ""} == BEFORE
"""


def run(*command: object, **options: object) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=SECONDS, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(UV, "build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, EMULATOR)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment with the wheel, its `pytest` extra and azure-ai-ml."""
    folder = tmp_path_factory.mktemp("environment")
    run(UV, "venv", "--python", sys.executable, folder)
    # What we tested with: a newer release of anything is not this test's business.
    needed = [f"azureml-emulator[pytest] @ {wheel.as_uri()}", f"azure-ai-ml=={version('azure-ai-ml')}"]
    constraints = tmp_path_factory.mktemp("constraints") / "constraints.txt"
    constraints.write_text(
        "".join(f"{each.name}=={each.version}\n" for each in distributions() if each.name not in OURS)
    )
    run(UV, "pip", "install", "--python", folder / "bin/python", "--constraint", constraints, *needed)
    return folder / "bin"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory outside of the repository, and a home of its own; the cache stays."""
    monkeypatch.setenv("AZUREML_EMULATOR_CACHE", str(cache_root()))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_STATE_HOME", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_wheel_has_all_that_is_read_at_run_time(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("azureml_emulator/")}

    source = EMULATOR / "azureml_emulator"
    files = {path.relative_to(EMULATOR).as_posix() for path in source.rglob("*") if path.is_file()}
    assert packed == {name for name in files if "__pycache__" not in name}


def test_it_starts_serves_and_stops(environment: Path, elsewhere: Path) -> None:
    emulator = environment / "azureml-emulator"
    (elsewhere / "program.py").write_text(PROGRAM)

    run(emulator, "start", "--detach")
    try:
        assert "running" in run(emulator, "status")
        exports = run(emulator, "env")
        shell = f'{exports}\n"{environment}/python" program.py'
        assert run("bash", "-c", shell).splitlines()[-1] == "local"
    finally:
        run(emulator, "stop")

    stopped = subprocess.run([emulator, "status"], capture_output=True, text=True, timeout=SECONDS)
    assert (stopped.returncode, "stopped" in stopped.stdout) == (1, True)
    assert (elsewhere / ".local/state/azureml-emulator/state.sqlite").exists()


def test_the_readmes_tests_pass(environment: Path, elsewhere: Path) -> None:
    (example,) = re.findall(r"```python\n# test_models\.py\n(.*?)```", (EMULATOR / "README.md").read_text(), re.DOTALL)
    (elsewhere / "test_models.py").write_text(example)

    output = run(environment / "pytest", "-q", "-p", "no:cacheprovider", elsewhere)

    assert "2 passed" in output


def test_unused_fixtures_start_nothing(environment: Path, elsewhere: Path) -> None:
    (elsewhere / "test_nothing.py").write_text(
        "import os\n\n\ndef test_nothing():\n    assert 'HTTPS_PROXY' not in os.environ\n"
    )
    (elsewhere / "test_environment.py").write_text(ENVIRONMENT)
    without_proxy = {name: value for name, value in os.environ.items() if name.lower() != "https_proxy"}

    alone = run(environment / "pytest", "-q", "--setup-show", elsewhere / "test_nothing.py", env=without_proxy)
    assert "azureml" not in alone
    assert "2 passed" in run(environment / "pytest", "-q", elsewhere / "test_environment.py")
