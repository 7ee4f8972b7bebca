"""Timeouts of tests by folder: a test that hangs fails with one line, and the run continues.

pytest-timeout interrupts the test with a signal. If that has no effect, in native code that does not return, the
process is killed with a traceback of all threads; pytest-xdist reports the test as failed and starts another worker.
"""

from __future__ import annotations

import faulthandler
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

GRACE = 1.25
"""Multiple of its timeout after which a test that cannot be interrupted is killed."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        "time_limits", "Seconds that a test may take, FOLDER = SECONDS; the longest folder counts.", "linelist"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    limits = _limits(config)
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_limit(limits, item.path), method="signal"))


class _PastACrash(LoadFileScheduling):  # type: ignore[misc]
    """Continues after the test in which a worker crashed.

    pytest-xdist 3.8 gives that test to the next worker again, so the run would never end and the file's other tests
    would never run.
    """

    def remove_node(self, node: WorkerController) -> str | None:
        workload = self.assigned_work.pop(node)
        pending = [(unit, test) for unit in workload.values() for test, is_done in unit.items() if not is_done]
        if not pending:
            return None
        unit, crashed = pending[0]
        unit[crashed] = True
        self.workqueue.update({file: unit for file, unit in workload.items() if not all(unit.values())})
        for other in self.assigned_work:
            self._reschedule(other)
        return crashed


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    return _PastACrash(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    with _ended_in_time(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with _ended_in_time(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    with _ended_in_time(item):
        return (yield)


@contextmanager
def _ended_in_time(item: pytest.Item) -> Iterator[None]:
    (seconds,) = item.get_closest_marker("timeout").args
    faulthandler.dump_traceback_later(seconds * GRACE, exit=True, file=item.config.stash[fault_handler_stderr_fd_key])
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _limits(config: pytest.Config) -> dict[Path, float]:
    pairs = (line.partition("=")[::2] for line in config.getini("time_limits"))
    return {config.rootpath / folder.strip(): float(seconds) for folder, seconds in pairs}


def _limit(limits: dict[Path, float], test: Path) -> float:
    around = [folder for folder in limits if folder in test.parents]
    assert around, f"{test}: no time limit for its folder in pyproject.toml"
    return limits[max(around, key=lambda folder: len(folder.parts))]
