"""Run checks at the same time, each with a timeout; a check that needs another one waits for it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kfp_azureml.runtime.errors import KfpAzuremlError
from kfp_azureml.runtime.redaction import redact
from kfp_azureml.runtime.terminal import one_line

CHECK_SECONDS = 20.0
"""Timeout of one check in seconds."""
TOTAL_SECONDS = 50.0
"""Timeout of all checks together in seconds."""
_REPORT_IT = "report this as a bug, with the output of kfp-azureml doctor --json"


class State(StrEnum):
    """The state of a check: only `FAILED` stops a run."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Attributes:
        state: The state.
        message: One line: what is there, or what is wrong.
        mend: The command or setting that mends it; empty if nothing is wrong.
        found: A value for the checks that need this one.
    """

    state: State
    message: str
    mend: str = ""
    found: Any = None


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: Its stable name, such as `azure.quota`.
        look: Returns the outcome; gets the values of the checks in `needs` and `after` by name, None if there is none.
        mend: The command that mends an error raised by `look`.
        needs: Checks without which this one is skipped if they failed or waited in vain themselves.
        after: Checks that end first, whatever their state.

    Checks in `needs` and `after` that are not part of a call of `run_checks` are ignored.
    """

    name: str
    look: Callable[[Mapping[str, Any]], Outcome]
    mend: str = ""
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """The result of a check, without secrets and control characters.

    Attributes:
        name: The check's name.
        state: The state.
        message: One line.
        mend: The command or setting that mends it; may be empty.
    """

    name: str
    state: State
    message: str
    mend: str = ""


def passed(message: str, found: Any = None) -> Outcome:
    """Return the outcome of a check that found nothing wrong."""
    return Outcome(State.OK, message, found=found)


def warning(message: str, mend: str, found: Any = None) -> Outcome:
    """Return the outcome of a check that found something worth to know."""
    return Outcome(State.WARNING, message, mend, found)


def failed(message: str, mend: str) -> Outcome:
    """Return the outcome of a check that found a fault."""
    return Outcome(State.FAILED, message, mend)


def skipped(message: str, mend: str = "") -> Outcome:
    """Return the outcome of a check that does not apply or could not be made."""
    return Outcome(State.SKIPPED, message, mend)


def run_checks(checks: Sequence[Check], each: float = CHECK_SECONDS, total: float = TOTAL_SECONDS) -> Iterator[Result]:
    """Run checks in threads and yield their results in the order of the checks.

    A check that does not end in time has failed; its thread is abandoned and ends with the process.

    Args:
        checks: The checks; each stands after those that it needs.
        each: Timeout of one check in seconds.
        total: Timeout of all checks in seconds.
    """
    runner = _Runner(checks, each, time.monotonic() + total)
    for check in checks:
        outcome = runner.outcome(check.name)
        yield Result(check.name, outcome.state, _clean(outcome.message), _clean(outcome.mend))


class _Runner:
    def __init__(self, checks: Sequence[Check], each: float, end: float) -> None:
        self._names = {check.name for check in checks}
        self._waiting = {check.name: check for check in checks}
        self._running: dict[str, tuple[Check, float]] = {}
        self._done: dict[str, Outcome] = {}
        self._causes: dict[str, list[str]] = {}
        self._reports: queue.SimpleQueue[tuple[str, Outcome]] = queue.SimpleQueue()
        self._each = each
        self._end = end

    def outcome(self, name: str) -> Outcome:
        """Wait until a check is done, and start those that can start."""
        self._start_ready()
        while name not in self._done:
            self._receive()
            self._start_ready()
        return self._done[name]

    def _receive(self) -> None:
        deadline = min(limit for _, limit in self._running.values())
        try:
            name, outcome = self._reports.get(timeout=max(deadline - time.monotonic(), 0.0))
        except queue.Empty:
            self._give_up()
            return
        if self._running.pop(name, None):
            self._done[name] = outcome

    def _give_up(self) -> None:
        now = time.monotonic()
        for name, (check, limit) in list(self._running.items()):
            if limit <= now:
                del self._running[name]
                waited = f"of {self._each:g} s" if limit < self._end else "of all checks"
                self._done[name] = failed(f"no result within the timeout {waited}", check.mend or "try again")

    def _start_ready(self) -> None:
        for name, check in list(self._waiting.items()):
            first = [other for other in (*check.needs, *check.after) if other in self._names]
            missing = [need for need in check.needs if self._is_missing(need)]
            if missing:
                del self._waiting[name]
                # The failed checks themselves, not those in between.
                self._causes[name] = list(
                    dict.fromkeys(one for need in missing for one in self._causes.get(need, [need]))
                )
                self._done[name] = skipped(f"not checked: waits for {', '.join(self._causes[name])}")
            elif all(other in self._done for other in first):
                del self._waiting[name]
                found = {other: self._done[other].found for other in first}
                self._running[name] = (check, min(time.monotonic() + self._each, self._end))
                threading.Thread(target=self._run, args=(check, found), name=name, daemon=True).start()

    def _is_missing(self, name: str) -> bool:
        return name in self._causes or (name in self._done and self._done[name].state is State.FAILED)

    def _run(self, check: Check, found: Mapping[str, Any]) -> None:
        try:
            outcome = check.look(found)
        except KfpAzuremlError as error:
            outcome = failed(str(error), check.mend)
        except Exception as error:  # noqa: BLE001 - the other checks go on
            outcome = failed(f"the check itself failed: {type(error).__name__}: {error}", _REPORT_IT)
        self._reports.put((check.name, outcome))


def _clean(text: str) -> str:
    return one_line(redact(text))
