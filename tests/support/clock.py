"""Virtual time: it advances only in `sleep`."""

from __future__ import annotations

from types import ModuleType

import pytest


class Clock:
    """Replaces the module `time`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeps: list[float] = []

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    def pass_in(self, monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> Clock:
        """Replace the time of some modules until the test ends."""
        for module in modules:
            monkeypatch.setattr(module, "time", self)
        return self
