"""One thing broken on this machine at a time: the checks name it and nothing else."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from http_double import Request, Response, serving
from kfp_azureml.azureml.checks.network import network_checks
from kfp_azureml.doctor.local import folders, local_checks, machine, tools
from kfp_azureml.runtime.checks import Outcome, Result, State, run_checks

NETWORK_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "DOCKER_HOST")
Check = Callable[[], dict[str, Result]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the emulator's cache, filled, and nothing of this machine in the environment."""
    for name in os.environ:
        if name.lower().endswith("_proxy") or name in NETWORK_VARIABLES or name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    (tmp_path / "cache" / "azurite").mkdir(parents=True)
    monkeypatch.setenv("AZUREML_EMULATOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path


@pytest.fixture
def faults(folder: Path) -> Check:
    """Return a function that runs the checks and returns those that are neither ok nor skipped."""

    def check() -> dict[str, Result]:
        results = run_checks([*network_checks(), *local_checks.local_checks(folder / "runs")])
        wrong = [result for result in results if result.state in (State.WARNING, State.FAILED)]
        assert all(result.mend for result in wrong)
        return {result.name: result for result in wrong}

    return check


def test_nothing_is_wrong(faults: Check) -> None:
    assert faults() == {}


def replace(place: Any, name: str, value: Any) -> Callable[[pytest.MonkeyPatch, Path], None]:
    return lambda patch, _: patch.setattr(place, name, value)


def low_memory(patch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "meminfo").write_text("MemTotal: 9999999 kB\nMemAvailable: 500000 kB\n")
    patch.setattr(local_checks, "check_memory", lambda: machine.check_memory(folder / "meminfo", folder / "max"))


def small_container(patch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "max").write_text(f"{1500 << 20}\n")
    (folder / "meminfo").write_text("MemAvailable: 9999999 kB\n")
    patch.setattr(local_checks, "check_memory", lambda: machine.check_memory(folder / "meminfo", folder / "max"))


def no_avx(patch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "cpuinfo").write_text("processor: 0\nflags\t\t: fpu sse4_2\n")
    patch.setattr(local_checks, "check_cpu", lambda: machine.check_cpu(folder / "cpuinfo", "x86_64"))


def full_disk(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100 << 20))


def no_inodes(patch: pytest.MonkeyPatch, folder: Path) -> None:
    blocks = dict.fromkeys(("f_frsize", "f_blocks", "f_bfree", "f_bavail"), 1 << 20)
    patch.setattr(os, "statvfs", lambda _: SimpleNamespace(**blocks, f_files=1000, f_favail=12))


def few_open_files(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setattr(resource, "getrlimit", lambda _: (64, 128))


def no_loopback(patch: pytest.MonkeyPatch, folder: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    patch.setattr(socket, "create_connection", refuse)


def open_runs(patch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "runs").mkdir()
    (folder / "runs").chmod(0o777)


def runs_that_are_a_file(patch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "runs").write_text("")


def open_cache(patch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "cache").chmod(0o777)


def no_index(patch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "cache" / "azurite").rmdir()
    patch.setenv("PIP_INDEX_URL", "http://user:s3cr3t-value@127.0.0.1:9/simple")


def dead_engine(patch: pytest.MonkeyPatch, folder: Path) -> None:
    program(folder, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    patch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")


def no_java_there(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("JAVA_HOME", str(folder))


def old_java(patch: pytest.MonkeyPatch, folder: Path) -> None:
    program(folder, "java", "echo 'openjdk version \"1.8.0_392\"' >&2")


def missing_bundle(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("SSL_CERT_FILE", "/nowhere")


def dead_proxy(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("HTTPS_PROXY", "http://user:s3cr3t-value@127.0.0.1:9")


def program(folder: Path, name: str, script: str) -> None:
    path = folder / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("break_it", "check", "state", "mend"),
    [
        (replace(sys, "version_info", (3, 14, 0)), "local.python", State.FAILED, "make setup PYTHON="),
        (
            replace(tools, "_is_installed", lambda name: name != "tensorflow"),
            "local.packages",
            State.FAILED,
            "make setup",
        ),
        (replace(sys, "executable", "/nowhere/python"), "local.emulator", State.FAILED, "make setup"),
        (no_avx, "local.cpu", State.FAILED, "-cpu host"),
        (low_memory, "local.memory", State.FAILED, "end other programs"),
        (small_container, "local.memory", State.WARNING, "memory limit of this container"),
        (few_open_files, "local.open-files", State.FAILED, "ulimit -n 1024"),
        (no_loopback, "local.loopback", State.FAILED, "ip link set lo up"),
        (open_runs, "local.runs-folder", State.FAILED, "chmod o-w"),
        (runs_that_are_a_file, "local.runs-folder", State.FAILED, "--runs FOLDER"),
        (full_disk, "local.disk", State.FAILED, "make clean"),
        (no_inodes, "local.disk", State.FAILED, "make clean"),
        (open_cache, "local.cache-folder", State.FAILED, "chmod o-w"),
        (no_index, "local.package-index", State.FAILED, "export PIP_INDEX_URL="),
        (dead_engine, "local.docker", State.WARNING, "unset DOCKER_HOST"),
        (no_java_there, "local.java", State.FAILED, "unset JAVA_HOME"),
        (old_java, "local.java", State.WARNING, "openjdk-17"),
        (missing_bundle, "network.ca-bundle", State.FAILED, "export SSL_CERT_FILE="),
        (dead_proxy, "network.proxy", State.FAILED, "unset HTTPS_PROXY"),
    ],
)
def test_one_fault(
    faults: Check,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    break_it: Callable[[pytest.MonkeyPatch, Path], None],
    check: str,
    state: State,
    mend: str,
) -> None:
    break_it(monkeypatch, folder)
    found = faults()
    assert found.keys() == {check}
    (result,) = found.values()
    assert (result.state, mend in result.mend) == (state, True), result
    assert "s3cr3t-value" not in str(found)


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize("value", [0o000, 0o777])
def test_an_unusable_umask(umask: Callable[[int], int], value: int) -> None:
    umask(value)
    outcome = folders.check_umask()
    assert (outcome.state, outcome.mend) == (State.FAILED, "umask 022")
    assert umask(0o022) == value


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    assert folders.check_runs(tmp_path / "runs").state is State.FAILED


@pytest.mark.parametrize(
    ("status", "state"), [(200, State.OK), (404, State.OK), (401, State.FAILED), (503, State.FAILED)]
)
def test_the_package_index(folder: Path, monkeypatch: pytest.MonkeyPatch, status: int, state: State) -> None:
    (folder / "cache" / "azurite").rmdir()

    def answer(request: Request) -> Response:
        return Response(status, b"")

    with serving(answer) as url:
        monkeypatch.setenv("PIP_INDEX_URL", f"{url.replace('//', '//user:s3cr3t-value@')}/simple")
        outcome = tools.check_package_index()
    assert outcome.state is state
    assert "s3cr3t-value" not in str(outcome)


def test_programs_that_work(folder: Path) -> None:
    program(folder, "docker", "echo 27.1")
    program(folder, "java", "echo 'openjdk version \"17.0.9\"' >&2")
    assert message(tools.check_docker()) == "Docker 27.1"
    assert message(tools.check_java()) == "Java 17"


def message(outcome: Outcome) -> str:
    assert outcome.state is State.OK
    return outcome.message
