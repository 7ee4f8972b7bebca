"""A test that hangs fails, by name and in time; all others go on, and the run ends with an error."""

import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from time_limits import CrashTolerantScheduling

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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text(
        f"[pytest]\npythonpath = {SUPPORT}\naddopts = -ra --import-mode=importlib\n"
        "time_limits =\n    slow = 600\n    quick = 5\n"
    )
    (tmp_path / "conftest.py").write_text("from time_limits import *\n")
    for name in ("slow", "quick"):
        (tmp_path / name).mkdir()
    (tmp_path / "slow" / "test_patient.py").write_text("import time\n\ndef test_patient():\n    time.sleep(7)\n")
    return tmp_path


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def write_tests(folder: Path, bodies: dict[str, str]) -> None:
    for name, body in bodies.items():
        (folder / "quick" / f"test_{name}.py").write_text(
            f"def test_before():\n    pass\n\n\ndef test_{name}():\n    {body}\n\n\ndef test_after():\n    pass\n"
        )


@pytest.mark.parametrize("workers", [[], ["--numprocesses", "2", "--dist", "loadfile"]], ids=["alone", "workers"])
def test_one_that_hangs_fails_and_the_rest_goes_on(folder: Path, workers: list[str]) -> None:
    write_tests(folder, HANGS)
    done = run(folder, *workers)
    assert done.returncode == 1, done.stdout + done.stderr
    failed = sorted(line for line in done.stdout.splitlines() if line.startswith("FAILED "))
    assert failed == sorted(
        f"FAILED quick/test_{name}.py::test_{name} - Failed: Timeout (>5.0s) from pytest-timeout." for name in HANGS
    )
    assert f"{len(HANGS)} failed, {2 * len(HANGS) + 1} passed" in done.stdout


def test_one_that_cannot_be_interrupted_costs_its_worker_which_is_replaced(folder: Path) -> None:
    write_tests(folder, STUCK)
    done = run(folder, "--numprocesses", "2", "--dist", "loadfile")
    assert done.returncode == 1, done.stdout + done.stderr
    for name in STUCK:
        assert f"crashed while running 'quick/test_{name}.py::test_{name}'" in done.stdout
    assert f"{len(STUCK)} failed, {2 * len(STUCK) + 1} passed" in done.stdout
    assert "Timeout (0:00:06.25" in done.stderr  # where it hung


def test_a_hanging_fixture_is_named_too(folder: Path) -> None:
    (folder / "quick" / "test_fixture.py").write_text(
        "import time\nimport pytest\n\n"
        "@pytest.fixture\ndef slow_to_come():\n    time.sleep(600)\n\n"
        "@pytest.fixture\ndef slow_to_go():\n    yield\n    time.sleep(600)\n\n"
        "def test_one(slow_to_come):\n    pass\n\ndef test_two(slow_to_go):\n    pass\n\ndef test_three():\n    pass\n"
    )
    done = run(folder, "--numprocesses", "2", "--dist", "loadfile")
    errors = [line for line in done.stdout.splitlines() if line.startswith("ERROR quick")]
    assert [line.split()[1] for line in errors] == [f"quick/test_fixture.py::test_{name}" for name in ("one", "two")]
    assert "3 passed, 2 errors" in done.stdout


def test_every_folder_of_tests_has_a_limit(folder: Path) -> None:
    (folder / "other").mkdir()
    (folder / "other" / "test_it.py").write_text("def test_it():\n    pass\n")
    done = run(folder, "other")
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
