"""`make setup` up to the point where .venv has uv, with fake interpreters in PATH and the real uv."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from uv import find_uv_bin

ROOT = Path(__file__).parents[2]
TOOLS = ("bash", "env", "dirname", "make", "mktemp", "rm", "tail", "touch", "true")
SUPPORTED = SpecifierSet(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"])
OWN = ".".join(str(part) for part in sys.version_info[:3])
BOTH_WAYS = (
    "install Python 3.11, 3.12 or 3.13, or name one with make PYTHON=..., or let uv download Python 3.12{where}, "
    "which failed: "
)

# Says that it is another version, has pip or venv or neither, and installs the real uv in place of pip. All else is
# what the real interpreter does.
FAKE = """#!/bin/bash
install_uv() {{ mkdir -p "$1" && cp "{uv}" "$1/uv"; }}
case "$*" in
    *python_version*) echo {version} ;;
    --version) echo "Python {version}" ;;
    "-c import ensurepip") exit {no_venv} ;;
    "-m pip --version") exit {no_pip} ;;
    "-m pip install --target "*) install_uv "$5/bin" ;;
    "-m pip install "*) install_uv "${{0%/*}}" ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    *) exec "{real}" "$@" ;;
esac
"""


class Machine:
    """A machine with a checkout and no Python but those that are put there."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        self.bin = folder / "bin"
        self.temporary = folder / "temporary"
        (self.checkout / "requirements").mkdir(parents=True)
        (self.checkout / "components" / "kfp_azureml").mkdir(parents=True)
        (self.checkout / "components" / "kfp_azureml" / "__init__.py").touch()
        for name in ("Makefile", "requirements/bootstrap", "requirements/bootstrap.txt"):
            shutil.copy(ROOT / name, self.checkout / name)
        self.bin.mkdir()
        self.temporary.mkdir()
        for tool in (*TOOLS, "cp", "mkdir", "sed", "git"):
            (self.bin / tool).symlink_to(Path(str(shutil.which(tool))).resolve())

    @property
    def venv(self) -> Path:
        return self.checkout / ".venv"

    def add(self, name: str, version: str, *, pip: bool = True, venv: bool = True) -> Path:
        """Put an interpreter in PATH."""
        path = self.bin / name
        text = FAKE.format(
            version=version, no_pip=int(not pip), no_venv=int(not venv), real=sys.executable, uv=find_uv_bin()
        )
        path.write_text(text)
        path.chmod(0o755)
        return path

    def set_up(self, *variables: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `make` until .venv has uv."""
        kept = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "PYTHON")}
        kept |= {
            "PATH": str(self.bin),
            "TMPDIR": str(self.temporary),
            # None of this machine's own, and nothing is downloaded: the port is one that nobody listens on.
            "UV_PYTHON_INSTALL_DIR": str(self.temporary.parent / "managed"),
            "UV_PYTHON_INSTALL_MIRROR": "http://127.0.0.1:9",
            "UV_HTTP_RETRIES": "0",
        }
        command = ["make", "--silent", ".venv/bin/uv", *variables]
        return subprocess.run(
            command,
            cwd=self.checkout,
            env=kept | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def failure(self, *variables: str, **environment: str) -> str:
        """Run `make`; return the one line that says why it failed."""
        done = self.set_up(*variables, **environment)
        assert done.returncode != 0
        line, from_make = done.stderr.splitlines()
        assert from_make.startswith("make: ***")
        assert list(self.temporary.iterdir()) == []
        return line


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(("pip", "venv"), [(True, True), (True, False), (False, True)])
def test_a_supported_python_makes_the_environment(machine: Machine, pip: bool, venv: bool) -> None:
    machine.add("python3", OWN, pip=pip, venv=venv)
    done = machine.set_up()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Setting up .venv with Python {OWN} ...\n"
    version = subprocess.run([machine.venv / "bin/python", "--version"], capture_output=True, text=True, check=True)
    assert version.stdout == f"Python {OWN}\n"
    subprocess.run([machine.venv / "bin/uv", "--version"], capture_output=True, check=True)
    assert list(machine.temporary.iterdir()) == []


def test_uv_is_no_link_to_a_cache_that_other_checkouts_share(machine: Machine) -> None:
    machine.add("python3", OWN)
    assert machine.set_up().returncode == 0
    assert (machine.venv / "bin/uv").stat().st_nlink == 1


def test_a_supported_python_that_can_install_nothing_is_set_up_by_another(machine: Machine) -> None:
    machine.add("python3.11", OWN, pip=False, venv=False)
    machine.add("python3", "3.9.2")
    done = machine.set_up()
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Python {OWN}" in done.stdout


def test_a_name_that_does_not_start_is_passed_over(machine: Machine) -> None:
    machine.add("python3.11", OWN).write_text("#!/bin/bash\nexit 127\n")
    machine.add("python3.12", OWN)
    assert machine.set_up().returncode == 0


@pytest.mark.parametrize("minor", range(9, 16))
def test_the_supported_versions_are_those_of_the_project(machine: Machine, minor: int) -> None:
    machine.add("python3", f"3.{minor}.1")
    done = machine.set_up()
    is_supported = f"3.{minor}.1" in SUPPORTED
    assert (done.returncode == 0) == is_supported
    assert ("downloaded by uv" in done.stdout) == (not is_supported)


def test_where_uv_can_download_none_the_error_names_both_ways_and_the_host(machine: Machine) -> None:
    machine.add("python3", "3.9.2")
    line = machine.failure()
    assert line.startswith(f"setup: only Python 3.9.2 was found: {BOTH_WAYS.format(where=' from 127.0.0.1:9')}")
    assert not machine.venv.exists()


def test_where_uv_must_download_none_the_error_names_both_ways(machine: Machine) -> None:
    machine.add("python3", "3.14.0")
    line = machine.failure(UV_PYTHON_DOWNLOADS="never")
    assert line.startswith(f"setup: only Python 3.14.0 was found: {BOTH_WAYS.format(where='')}No interpreter found")


def test_an_environment_stays_when_no_new_one_can_be_made(machine: Machine) -> None:
    machine.add("python3", "3.9.2")
    (machine.venv / "bin").mkdir(parents=True)
    (machine.venv / "bin" / "python").touch()
    machine.failure()
    assert (machine.venv / "bin" / "python").exists()


def test_no_python(machine: Machine) -> None:
    assert machine.failure().startswith("setup: no Python found: install Python 3.11")


def test_a_python_that_is_named_and_does_not_start(machine: Machine) -> None:
    machine.add("python3", OWN)
    assert machine.failure("PYTHON=/no/such").startswith("setup: no Python found at /no/such: install")


def test_a_python_that_is_named_is_the_only_one_used(machine: Machine, tmp_path: Path) -> None:
    machine.add("python3.11", "3.11.1")
    elsewhere = tmp_path / "my python"
    machine.add("python", OWN).rename(elsewhere)
    assert machine.set_up(f"PYTHON={elsewhere}").stdout == f"Setting up .venv with Python {OWN} ...\n"


@pytest.mark.parametrize(("version", "pip"), [("3.8.18", True), ("3.11.2", False), ("2.7.18", True)])
def test_a_python_that_cannot_install_uv(machine: Machine, version: str, pip: bool) -> None:
    machine.add("python", version, pip=pip, venv=False)
    line = machine.failure()
    assert line.startswith(f"setup: Python {version} cannot install uv")
    assert "Debian: python3-pip" in line


def test_pip_that_fails(machine: Machine) -> None:
    python = machine.add("python3", OWN)
    python.write_text(python.read_text().replace('install_uv "$5/bin"', "echo 'ERROR: no route to the index'; exit 1"))
    assert machine.failure() == "setup: pip could not install uv: ERROR: no route to the index"
