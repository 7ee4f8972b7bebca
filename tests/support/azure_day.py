"""A run of `make test-azure` in a process, in an emulator that it takes for a real workspace."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from azure_leftovers import leftovers
from azureml_emulator import EmulatorInfo
from azureml_jobs import emulator_with_images
from kfp_azureml.azureml_pipelines import connect

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests" / "azure" / "day.py"
SECONDS = 900


@dataclass(frozen=True)
class Day:
    """A workspace that a run takes for a real one.

    Attributes:
        azure: The emulator.
        folder: Where the traffic goes.
        prefix: The run's prefix.
    """

    azure: EmulatorInfo
    folder: Path
    prefix: str

    def environment(self, **more: str) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("AZ_", "AZURE_"))}
        return {
            **ours,
            **self.azure.environment,
            "PYTHONPATH": f"{ROOT / 'tests' / 'support'}:{ROOT / 'emulator' / 'tests' / 'support'}",
            "AZURE_TEST_RESOURCE_GROUP": self.azure.resource_group,
            "AZURE_TEST_WORKSPACE": self.azure.workspace,
            "AZURE_TEST_REGISTRY": "kfp-azureml",
            "AZURE_TEST_HOURLY_PRICE": "0.5",
            "AZURE_TEST_RECORDINGS": str(self.folder),
            "AZURE_TEST_PREFIX": self.prefix,
            **more,
        }

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, PROGRAM, *arguments],
            cwd=ROOT,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def command(self, *arguments: str) -> list[str | Path]:
        """Return the command for a terminal, whose process gets this one's environment."""
        variables = [f"{name}={value}" for name, value in self.environment().items()]
        return ["/usr/bin/env", "-i", *variables, sys.executable, PROGRAM, *arguments]

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Start it in a session of its own, where SIGINT is not ignored."""
        process = subprocess.Popen(
            [sys.executable, PROGRAM, *arguments],
            cwd=ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=(self.folder / "out").open("w"),
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def said(self) -> str:
        return (self.folder / "out").read_text()


def new_day(azure: EmulatorInfo, folder: Path) -> Day:
    """Return a run with a prefix of its own."""
    return Day(azure, folder, f"kfpaz{os.urandom(4).hex()}")


def left(client: Any, prefix: str) -> list[str]:
    """Return what a run has in the workspace."""
    return sorted(each.label for each in leftovers(client) if each.run.prefix == prefix)


def wait_until(is_so: Callable[[], object], process: subprocess.Popen[str], day: Day) -> None:
    """Wait for something while the run goes on."""
    until = time.monotonic() + SECONDS
    while not is_so():
        assert process.poll() is None, day.said()
        assert time.monotonic() < until, day.said()
        time.sleep(0.2)


@pytest.fixture(scope="session")
def azure() -> Iterator[EmulatorInfo]:
    """Yield an Azure ML emulator whose jobs use this interpreter for the suite's images."""
    with emulator_with_images() as info:
        yield info


@pytest.fixture(scope="module")
def day_client(azure: EmulatorInfo) -> Iterator[Any]:
    """Yield a client of the workspace that `day` runs in."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in azure.environment.items():
            patch.setenv(name, value)
        yield connect(azure.resource_group, azure.workspace)


@pytest.fixture
def day(azure: EmulatorInfo, tmp_path: Path) -> Day:
    """Return a run of `make test-azure`, not begun yet."""
    return new_day(azure, tmp_path)
