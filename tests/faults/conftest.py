"""An emulator with injected faults, and a count of the matrix's cells."""

from __future__ import annotations

from collections.abc import Iterator
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

# Fixtures that pytest finds here.
from azure_day import azure, day, day_client  # noqa: F401
from azureml_emulator import EmulatorInfo, running_emulator
from azureml_emulator.test_control.client import Control
from azureml_rest import signed_in_workspace
from killing import server
from running import shorten_waits
from scenarios import World
from tiny_classifier import write_tiny_model, write_tiny_score


@pytest.fixture(scope="session")
def failing_emulator() -> Iterator[EmulatorInfo]:
    """Yield an emulator with a control API and instant scoring."""
    with running_emulator(arguments=["--control", "--scoring", "instant"]) as info:
        yield info


@pytest.fixture(scope="session")
def shared_world(failing_emulator: EmulatorInfo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return what all scenarios share."""
    folder: Path = tmp_path_factory.mktemp("tiny")
    model = write_tiny_model(folder / "model")
    score = write_tiny_score(folder / "score", model)
    with Control(failing_emulator) as control, signed_in_workspace(failing_emulator) as rest:
        yield World(control, rest, model, score)


@pytest.fixture
def world(shared_world: World, failing_emulator: EmulatorInfo, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return the same with a fresh workspace and the emulator's environment in this process."""
    for name, value in failing_emulator.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        # Each client loads the certificates: the emulator's one loads faster than all public ones.
        monkeypatch.setenv(name, failing_emulator.ca_file)
    shorten_waits(monkeypatch)
    shared_world.control.reset()
    shared_world.azure.http.headers["authorization"] = f"Bearer {shared_world.azure.sign_in().json()['access_token']}"
    return shared_world


@pytest.fixture(scope="session")
def kill_server() -> ForkServerContext:
    """Return the server that forks processes for steps."""
    with pytest.MonkeyPatch.context() as patch:
        # The fork server takes its paths from here.
        tests = Path(__file__).parent
        patch.setenv("PYTHONPATH", f"{tests}:{tests.parent / 'support'}")
        context = server()
        forkserver.ensure_running()
    return context


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-cells", action="store_true", help="Run every cell of the fault matrix, not a sample.")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    cells = [
        report
        for report in terminalreporter.getreports("passed")
        if "test_cell[" in report.nodeid or "test_killed[" in report.nodeid
    ]
    if cells:
        killed = sum("test_killed[" in report.nodeid for report in cells)
        terminalreporter.write_line(f"fault matrix: {len(cells)} cells passed, {killed} of them with a kill")
