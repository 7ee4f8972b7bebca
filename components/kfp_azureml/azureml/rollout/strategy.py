"""Rollout strategies: how traffic moves to a new deployment, and the limits it must keep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kfp_azureml.runtime.errors import DeploymentError

STRATEGIES = ("all-at-once", "blue-green", "canary", "mirror")
CANARY_STEPS = (10, 50, 100)
MAX_MIRROR_PERCENT = 50  # Azure's own limit


@dataclass(frozen=True)
class Limits:
    """Limits for a new deployment.

    Attributes:
        min_sample_accuracy: Minimum share of the sample's images, 0 to 1, that keep the class they were scored with.
        max_error_rate: Maximum share of failed requests, 0 to 1.
        max_latency_ms: p95 latency limit in ms, one image per request; 0 disables it.

    Raises:
        DeploymentError: If a limit is out of range.
    """

    min_sample_accuracy: float
    max_error_rate: float
    max_latency_ms: float

    def __post_init__(self) -> None:
        for name in ("min_sample_accuracy", "max_error_rate"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise DeploymentError(f"{name} {value:g}: must be 0 to 1")
        if not self.max_latency_ms >= 0:
            raise DeploymentError(f"max_latency_ms {self.max_latency_ms:g}: must be milliseconds, or 0 for no limit")


@dataclass(frozen=True)
class Strategy:
    """How a new deployment gets traffic: the component's settings, validated.

    Attributes:
        name: One of `STRATEGIES`.
        traffic_steps: Traffic shares in percent for canary and mirror, rising to 100; empty for the default.
        mirror_percent: Share of live requests that mirror copies to the deployment.
        soak_seconds: Soak time per step; all-at-once has none.
        keep_previous: Whether deployments that lose their traffic stay.
        limits: Limits that the deployment must keep.

    Raises:
        DeploymentError: If the settings are invalid or do not go together.
    """

    name: str
    traffic_steps: Sequence[float]
    mirror_percent: int
    soak_seconds: float
    keep_previous: bool
    limits: Limits

    def __post_init__(self) -> None:
        if self.name not in STRATEGIES:
            raise DeploymentError(f"strategy {self.name!r}: set one of {', '.join(STRATEGIES)}")
        if not 0 <= self.soak_seconds < math.inf:
            raise DeploymentError(f"soak_seconds {self.soak_seconds:g}: must be 0 or more seconds")
        if self.traffic_steps and self.name not in ("canary", "mirror"):
            raise DeploymentError(f"traffic_steps are for canary and mirror; {self.name} moves all traffic at once")
        _check_steps(self.traffic_steps)
        if self.name == "mirror" and not 1 <= self.mirror_percent <= MAX_MIRROR_PERCENT:
            raise DeploymentError(
                f"mirror_percent {self.mirror_percent}: must be 1 to {MAX_MIRROR_PERCENT} (Azure's limit)"
            )

    @property
    def steps(self) -> tuple[int, ...]:
        """Traffic shares of the deployment, in percent; the last is 100."""
        # kfp.local turns [10, 100] into [10.0, 100.0].
        return tuple(map(int, self.traffic_steps)) or (CANARY_STEPS if self.name == "canary" else (100,))

    @property
    def mirrored(self) -> int:
        """Share of the live traffic that is copied to the deployment first, in percent."""
        return self.mirror_percent if self.name == "mirror" else 0

    @property
    def step_seconds(self) -> float:
        """Soak time of each step."""
        return 0.0 if self.name == "all-at-once" else self.soak_seconds

    @property
    def watched_seconds(self) -> float:
        """Soak time of all steps and of mirroring."""
        return self.step_seconds * (len(self.steps) + bool(self.mirrored))


def _check_steps(steps: Sequence[float]) -> None:
    whole = [int(step) for step in steps if type(step) in (int, float) and float(step).is_integer()]
    if whole != list(steps) or whole != sorted(set(whole)) or (whole and (whole[0] < 1 or whole[-1] != 100)):
        raise DeploymentError(
            f"traffic_steps {list(steps)}: must be rising whole percentages that end with 100, such as "
            f"{list(CANARY_STEPS)}"
        )
