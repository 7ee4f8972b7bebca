"""Timeouts of tests by folder: a test that hangs fails and the run continues.

pytest-timeout interrupts the test by a signal. Where that is of no use, in native code that does not return, the
process is ended, with a traceback of all threads; pytest-xdist reports the test as failed and starts another worker.
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
"""After how many times its limit a test that cannot be interrupted is ended."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        "time_limits", "Seconds that a test may take, FOLDER = SECONDS; the longest folder counts.", "linelist"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    limits = _limits(config)
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_limit(limits, item.path), method="signal"))


class CrashTolerantScheduling(LoadFileScheduling):  # type: ignore[misc]
    """Goes on after the test that a worker crashed in.

    pytest-xdist 3.8 gives that test to the next worker too, and so on: the run ended neither way, and the other tests
    of the file were never run. And if two workers crash, it gives work to a new one that has not collected its tests.
    """

    def _reschedule(self, node: WorkerController) -> None:
        # It is given work when it has collected.
        if node in self.registered_collections or not self.workqueue:
            super()._reschedule(node)

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
    return CrashTolerantScheduling(config, log) if config.getvalue("dist") == "loadfile" else None


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
