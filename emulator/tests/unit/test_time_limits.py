"""A test that hangs fails, by name and in time; all others go on, and the run ends with an error."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest

from time_limits import GRACE, CrashTolerantScheduling

SUPPORT = Path(__file__).parents[1] / "support"
HANGS = {
    # Waits as tests do: for a condition, a child, a lock, a socket.
    "sleep": "import time; time.sleep(600)",
    "child": "import subprocess; subprocess.run(['sleep', '600'])",
    "lock": "import threading; threading.Event().wait()",
    "socket": "import socket; a, b = socket.socketpair(); a.recv(1)",
    "suppressed": "import time\n    try: time.sleep(600)\n    except Exception: time.sleep(600)",
}
STUCK = {
    # No signal gets through to it.
    "native": "import signal, time; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM}); time.sleep(600)",
    "with_child": (
        "import signal, subprocess, time; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})\n"
        "    child = subprocess.Popen(['sleep', '60']); time.sleep(600)"
    ),
}


FIXTURES = """
import time
import pytest

@pytest.fixture
def slow_to_come():
    time.sleep(600)

@pytest.fixture
def slow_to_go():
    yield
    time.sleep(600)

def test_one(slow_to_come):
    pass

def test_two(slow_to_go):
    pass

def test_three():
    pass
"""
WORKERS = ("--numprocesses", "2", "--dist", "loadfile")
SECONDS = 3
"""Limit of the quick tests; the slow one takes longer."""


def files_of(bodies: dict[str, str]) -> dict[str, str]:
    """Return a file with a hanging test for each body, between two others."""
    return {
        f"quick/test_{name}.py": (
            f"def test_before():\n    pass\n\n\ndef test_{name}():\n    {body}\n\n\ndef test_after():\n    pass\n"
        )
        for name, body in bodies.items()
    }


RUNS = {
    "alone": (files_of(HANGS), ()),
    "workers": (files_of(HANGS), WORKERS),
    "stuck": (files_of(STUCK), WORKERS),
    "fixtures": ({"quick/test_fixture.py": FIXTURES}, WORKERS),
    "no limit": ({"other/test_it.py": "def test_it():\n    pass\n"}, ("other",)),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, subprocess.CompletedProcess[str]]:
    """Run pytest on each of RUNS, all at the same time: they do little but wait."""
    root = tmp_path_factory.mktemp("runs")

    def run(name: str) -> subprocess.CompletedProcess[str]:
        files, options = RUNS[name]
        folder = root / name
        folder.mkdir()
        settings = (
            f"[pytest]\npythonpath = {SUPPORT}\naddopts = -ra --import-mode=importlib\n"
            f"time_limits =\n    slow = 600\n    quick = {SECONDS}\n"
        )
        patient = f"import time\n\ndef test_patient():\n    time.sleep({SECONDS + 1})\n"
        own = {"pytest.ini": settings, "conftest.py": "from time_limits import *\n", "slow/test_patient.py": patient}
        for path, text in (own | files).items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text)
        return subprocess.run(
            [sys.executable, "-m", "pytest", *options],
            cwd=folder,
            env={**os.environ, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )

    with ThreadPoolExecutor(len(RUNS)) as pool:
        return dict(zip(RUNS, pool.map(run, RUNS), strict=True))


@pytest.mark.parametrize("how", ["alone", "workers"])
def test_one_that_hangs_fails_and_the_rest_goes_on(runs: dict[str, subprocess.CompletedProcess[str]], how: str) -> None:
    done = runs[how]
    assert done.returncode == 1, done.stdout + done.stderr
    failed = sorted(line for line in done.stdout.splitlines() if line.startswith("FAILED "))
    limit = f"Failed: Timeout (>{SECONDS}.0s) from pytest-timeout."
    assert failed == sorted(f"FAILED quick/test_{name}.py::test_{name} - {limit}" for name in HANGS)
    assert f"{len(HANGS)} failed, {2 * len(HANGS) + 1} passed" in done.stdout


def test_one_that_cannot_be_interrupted_costs_its_worker_which_is_replaced(
    runs: dict[str, subprocess.CompletedProcess[str]],
) -> None:
    done = runs["stuck"]
    assert done.returncode == 1, done.stdout + done.stderr
    for name in STUCK:
        assert f"crashed while running 'quick/test_{name}.py::test_{name}'" in done.stdout
    assert f"{len(STUCK)} failed, {2 * len(STUCK) + 1} passed" in done.stdout
    assert f"Timeout (0:00:0{SECONDS * GRACE}" in done.stderr  # where it hung


def test_a_hanging_fixture_is_named_too(runs: dict[str, subprocess.CompletedProcess[str]]) -> None:
    done = runs["fixtures"]
    errors = [line for line in done.stdout.splitlines() if line.startswith("ERROR quick")]
    assert [line.split()[1] for line in errors] == [f"quick/test_fixture.py::test_{name}" for name in ("one", "two")]
    assert "3 passed, 2 errors" in done.stdout


def test_every_folder_of_tests_has_a_limit(runs: dict[str, subprocess.CompletedProcess[str]]) -> None:
    done = runs["no limit"]
    assert done.returncode != 0
    assert "no time limit for its folder" in done.stdout + done.stderr


def test_a_new_worker_gets_no_test_before_it_has_collected() -> None:
    config, log = Mock(getvalue=Mock(return_value=["popen", "popen"])), Mock()
    scheduler = CrashTolerantScheduling(config, log)
    first, second, third, fourth = (Mock(shutting_down=False) for _ in range(4))
    tests = [f"{name}.py::test" for name in "abcdefgh"]
    for node in (first, second):
        scheduler.add_node(node)
        scheduler.add_node_collection(node, tests)
    scheduler.schedule()
    for crashed, new in ((first, third), (second, fourth)):
        scheduler.remove_node(crashed)
        scheduler.add_node(new)
    scheduler.add_node_collection(third, tests)

    scheduler.schedule()

    assert third.send_runtest_some.called
    assert not fourth.send_runtest_some.called
    scheduler.add_node_collection(fourth, tests)
    scheduler.schedule()
    assert fourth.send_runtest_some.called
