"""Read the event file while the steps write it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENDED = ("succeeded", "failed", "cancelled")


@dataclass
class StepRecord:
    """State and figures of one step.

    Attributes:
        name: The component's name.
        started: Unix time of its start.
        state: running, succeeded, failed or cancelled.
        seconds: Wall time; None while it runs.
        user_cpu_seconds: User CPU time of its process and children.
        peak_rss_bytes: Peak resident memory of its process.
        message: Its last progress message.
        fraction: Completed fraction, 0 to 1; None if unknown.
        error: Its error in one line.
    """

    name: str
    started: float
    state: str = "running"
    seconds: float | None = None
    user_cpu_seconds: float | None = None
    peak_rss_bytes: int | None = None
    message: str = ""
    fraction: float | None = None
    error: str = ""


@dataclass
class EventLog:
    """The steps of a run, from their events.

    Attributes:
        path: The event file, which may not exist yet.
        steps: The steps in the order of their start.
        results: Results that the steps reported.
    """

    path: Path
    steps: list[StepRecord] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)
    _by_process: dict[tuple[int, str], StepRecord] = field(default_factory=dict)
    _offset: int = 0

    def refresh(self) -> list[StepRecord]:
        """Read new events.

        Returns:
            The steps whose state or progress changed.
        """
        if not self.path.exists():
            return []
        with self.path.open("rb") as stream:
            stream.seek(self._offset)
            lines = stream.read().splitlines(keepends=True)
        changed = []
        for line in lines:
            if not line.endswith(b"\n"):
                break
            self._offset += len(line)
            changed.append(self._apply(json.loads(line)))
        return list({id(step): step for step in changed}.values())

    def close(self, state: str, reason: str = "") -> None:
        """Set the final state of steps that were killed before they emitted one.

        Args:
            state: The state.
            reason: How the last step's process ended.
        """
        self.refresh()
        for step in self.steps:
            if step.state == "running":
                step.state = state
                step.error = step.error or (f"{step.name}: {reason}" if reason else "")

    def _apply(self, event: dict[str, Any]) -> StepRecord:
        key = (event["pid"], event["step"])
        step = self._by_process.get(key)
        if step is None:
            step = self._by_process[key] = StepRecord(name=event["step"], started=event["time"])
            self.steps.append(step)
        match event["event"]:
            case "progress":
                step.message, step.fraction = event["message"], event["fraction"]
            case "result":
                self.results |= event["results"]
            case state if state in ENDED:
                step.state = state
                step.seconds = round(event["time"] - step.started, 3)
                step.user_cpu_seconds = event["user_cpu_seconds"]
                step.peak_rss_bytes = event["peak_rss_bytes"]
                step.error = event.get("error", "")
        return step
