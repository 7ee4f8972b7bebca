"""A row of the table: one quantity of the suite beside the baseline's, and its goal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bench.spread import Spread, mean_of, median_of, ratio_of


@dataclass(frozen=True)
class Goal:
    """A limit for a row.

    Attributes:
        quantity: The suite's own figure, or its ratio to the baseline's.
        direction: Whether the limit is an upper or a lower one.
        target: The figure to reach; None if there is only a stretch goal.
        stretch: The stretch goal; None if there is none.
    """

    quantity: Literal["ours", "ratio"]
    direction: Literal["at most", "at least"]
    target: float | None
    stretch: float | None = None


@dataclass(frozen=True)
class Row:
    """One measured quantity.

    Attributes:
        name: `stage: quantity`.
        unit: Unit of both figures.
        baseline: The baseline's figures; None without a baseline.
        ours: The suite's figures.
        ratio: Ours over the baseline's.
        goal: The limit; None if the row is only shown.
        note: Remark shown beside the name.
        images: Number of images, for rows that are drawn.
    """

    name: str
    unit: str
    baseline: Spread | None
    ours: Spread
    ratio: Spread | None
    goal: Goal | None = None
    note: str = ""
    images: int | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None if there is none."""
        if self.goal is None or self.goal.target is None:
            return None
        return self._reaches(self.goal, self.goal.target)

    @property
    def stretch_met(self) -> bool | None:
        """Whether the stretch goal is reached; None if there is none."""
        if self.goal is None or self.goal.stretch is None:
            return None
        return self._reaches(self.goal, self.goal.stretch)

    def as_dict(self) -> dict[str, Any]:
        """Return the row as JSON stores it."""
        goal = self.goal
        return {
            "name": self.name,
            "unit": self.unit,
            "baseline": self.baseline and self.baseline.middle,
            "ours": self.ours.middle,
            "ratio": self.ratio and self.ratio.middle,
            "target": goal and goal.target,
            "met": self.met,
            "stretch": goal and goal.stretch,
            "stretch_met": self.stretch_met,
            "goal": goal and f"{goal.quantity} {goal.direction}",
            "ratio_spread": self.ratio and [self.ratio.low, self.ratio.high],
            "baseline_values": list(self.baseline.values) if self.baseline else None,
            "our_values": list(self.ours.values),
            "note": self.note,
            "images": self.images,
        }

    def _reaches(self, goal: Goal, figure: float) -> bool:
        spread = self.ours if goal.quantity == "ours" else self.ratio
        if spread is None:
            raise ValueError(f"row {self.name}: its goal is a ratio, but there is no baseline")
        return spread.middle <= figure if goal.direction == "at most" else spread.middle >= figure


def compared(
    name: str,
    unit: str,
    baseline: Sequence[float],
    ours: Sequence[float],
    goal: Goal | None = None,
    note: str = "",
    images: int | None = None,
) -> Row:
    """Return a row of a cost, from alternating runs of both sides."""
    return Row(name, unit, median_of(baseline), median_of(ours), ratio_of(ours, baseline), goal, note, images)


def accuracy(name: str, baseline: Sequence[float], ours: Sequence[float], goal: Goal | None = None) -> Row:
    """Return a row of test accuracies, one a seed: their mean, and all of them in the note."""
    seeds = " ".join(f"{value:.4f}" for value in ours)
    return Row(name, "", mean_of(baseline), mean_of(ours), None, goal, f"each seed: {seeds}")


def alone(name: str, unit: str, ours: Sequence[float], goal: Goal | None = None, note: str = "") -> Row:
    """Return a row of a cost without a baseline."""
    return Row(name, unit, None, median_of(ours), None, goal, note)


def at_most(ratio: float | None, stretch: float | None = None) -> Goal:
    """Return an upper limit for the ratio."""
    return Goal("ratio", "at most", ratio, stretch)
