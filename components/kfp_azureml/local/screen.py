"""Show a run's progress: live lines on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from kfp_azureml.local.event_log import StepRecord
from kfp_azureml.runtime.step_line import NAME_WIDTH, STATE_WIDTH, name_width, step_line
from kfp_azureml.runtime.terminal import plain

QUIET_SECONDS = 10.0
"""Interval between lines of a running step, in seconds, if the output is not a terminal."""

_COLOURS = {"succeeded": "green", "failed": "red", "cancelled": "yellow"}


class Screen:
    """Shows a run's progress on stdout."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._live = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TimeElapsedColumn(),
            TextColumn("{task.fields[message]}"),
            console=self._console,
            transient=True,
        )
        self._width = NAME_WIDTH
        self._tasks: dict[int, TaskID] = {}
        self._said: dict[int, tuple[str, float]] = {}

    def __enter__(self) -> Screen:
        """Start the live lines on a terminal."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the live lines."""
        if self._console.is_terminal:
            self._live.stop()

    def say(self, text: str) -> None:
        """Print a permanent line."""
        self._console.print(_printable(text))

    def expect(self, steps: Iterable[str]) -> None:
        """Make the column of names wide enough for the steps of a run."""
        self._width = name_width(steps)

    def show_step(self, step: StepRecord) -> None:
        """Show a step whose state or progress changed."""
        if step.state != "running":
            self._end(step)
        elif self._console.is_terminal:
            self._advance(step)
        elif step.message:
            self._say_now_and_then(step)

    def _advance(self, step: StepRecord) -> None:
        task = self._tasks.get(id(step))
        if task is None:
            task = self._tasks[id(step)] = self._live.add_task(
                f"{_printable(step.name):<{self._width}}", total=None, message=""
            )
        total = None if step.fraction is None else 1.0
        self._live.update(task, total=total, completed=step.fraction or 0.0, message=_printable(step.message))

    def _end(self, step: StepRecord) -> None:
        if self._said.get(id(step), ("", 0.0))[0] == step.state:
            return
        self._said[id(step)] = (step.state, time.monotonic())
        task = self._tasks.pop(id(step), None)
        if task is not None:
            self._live.remove_task(task)
        state = f"[{_COLOURS[step.state]}]{step.state:<{STATE_WIDTH}}[/]"
        self._console.print(
            step_line(_printable(step.name), state, step.seconds, _printable(step.message), width=self._width)
        )

    def _say_now_and_then(self, step: StepRecord) -> None:
        state, said = self._said.get(id(step), ("", 0.0))
        if state == "" or time.monotonic() - said > QUIET_SECONDS:
            self._said[id(step)] = ("running", time.monotonic())
            message = _printable(step.message)
            self._console.print(step_line(_printable(step.name), "running", message=message, width=self._width))


def _printable(text: str) -> str:
    """Return a text without terminal escapes and with rich's markup escaped."""
    return escape(plain(text))
