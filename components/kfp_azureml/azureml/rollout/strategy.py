"""How traffic comes to a new deployment: at once or in steps, watched or not, and within which limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from kfp_azureml.runtime.errors import DeploymentError

STRATEGIES = ("all-at-once", "blue-green", "canary", "mirror")
DEFAULT_STRATEGY = "blue-green"
CANARY_STEPS = (10, 50, 100)
MIRROR_PERCENT = 10
MOST_MIRRORED = 50  # percent; Azure's own limit
SOAK_SECONDS = 60.0


@dataclass(frozen=True)
class Limits:
    """What a new deployment must not exceed, or fall short of.

    Attributes:
        min_sample_accuracy: The least share of the sample's images, 0 to 1, to be answered as when they were scored.
        max_error_rate: The largest share of requests, 0 to 1, that may fail while the deployment is watched.
        max_latency_ms: What 95 of 100 requests with one image have to be answered within, in milliseconds; 0: no limit.
    """

    min_sample_accuracy: float = 1.0
    max_error_rate: float = 0.01
    max_latency_ms: float = 0.0


@dataclass(frozen=True)
class Strategy:
    """One way to bring a deployment live beside those that are.

    Attributes:
        name: One of `STRATEGIES`.
        steps: The shares of the traffic that the deployment gets one after the other, in percent; the last is 100.
        mirror_percent: The share of the live traffic that is copied to it first; 0: none is.
        soak_seconds: How long it is watched at each step, and while it is mirrored to.
        keep_previous: Whether the deployments whose traffic it takes stay, without traffic.
        limits: What it is watched for.
    """

    name: str = DEFAULT_STRATEGY
    steps: tuple[int, ...] = (100,)
    mirror_percent: int = 0
    soak_seconds: float = SOAK_SECONDS
    keep_previous: bool = True
    limits: Limits = field(default_factory=Limits)

    @property
    def watched_seconds(self) -> float:
        """How long the deployment is watched, all in all."""
        return self.soak_seconds * (len(self.steps) + bool(self.mirror_percent))


def choose_strategy(
    name: str = DEFAULT_STRATEGY,
    *,
    steps: Sequence[float] = (),
    mirror_percent: int = MIRROR_PERCENT,
    soak_seconds: float = SOAK_SECONDS,
    keep_previous: bool = True,
    limits: Limits | None = None,
    on_kubernetes: bool = False,
) -> Strategy:
    """Check what a user asks for, and fill in what goes without saying.

    Args:
        name: One of `STRATEGIES`: `all-at-once` moves the traffic and asks once more; `blue-green` moves it and
            watches; `canary` moves it in steps and watches each; `mirror` has live requests copied to the deployment
            first.
        steps: Rising percentages up to 100, for canary and mirror; by default 10, 50, 100 and just 100.
        mirror_percent: The share of live requests to copy, for mirror.
        soak_seconds: How long to watch each step.
        keep_previous: Whether to keep the deployments that lose their traffic.
        limits: What to watch for.
        on_kubernetes: Whether the endpoint is on an attached cluster.

    Raises:
        DeploymentError: If these do not make a roll-out, or Azure cannot do it.
    """
    if name not in STRATEGIES:
        raise DeploymentError(f"strategy {name!r}: choose one of {', '.join(STRATEGIES)}")
    limits = limits or Limits()
    _check_limits(limits)
    if not 0 <= soak_seconds < math.inf:
        raise DeploymentError(f"soak_seconds {soak_seconds:g}: a number of seconds is needed, or 0")
    if steps and name not in ("canary", "mirror"):
        raise DeploymentError(f"traffic_steps are for canary and mirror; {name} moves all the traffic at once")
    chosen = _whole(steps) or (CANARY_STEPS if name == "canary" else (100,))
    if name == "mirror":
        if on_kubernetes:
            raise DeploymentError("strategy mirror: Azure mirrors traffic on managed endpoints only; take canary")
        if not 1 <= mirror_percent <= MOST_MIRRORED:
            raise DeploymentError(
                f"mirror_percent {mirror_percent}: Azure mirrors 1 to {MOST_MIRRORED} % of the traffic"
            )
    return Strategy(
        name=name,
        steps=chosen,
        mirror_percent=mirror_percent if name == "mirror" else 0,
        soak_seconds=0.0 if name == "all-at-once" else soak_seconds,
        keep_previous=keep_previous,
        limits=limits,
    )


def _whole(steps: Sequence[float]) -> tuple[int, ...]:
    """Return the steps as whole numbers: kfp.local hands over [10, 100] as [10.0, 100.0]."""
    whole = [int(step) for step in steps if type(step) in (int, float) and float(step).is_integer()]
    if whole != list(steps) or whole != sorted(set(whole)) or (whole and (whole[0] < 1 or whole[-1] != 100)):
        raise DeploymentError(f"traffic_steps {list(steps)}: rising whole percentages are needed, the last one 100")
    return tuple(whole)


def _check_limits(limits: Limits) -> None:
    for name in ("min_sample_accuracy", "max_error_rate"):
        value = getattr(limits, name)
        if not 0 <= value <= 1:
            raise DeploymentError(f"{name} {value:g}: a share from 0 to 1 is needed")
    if not limits.max_latency_ms >= 0:
        raise DeploymentError(f"max_latency_ms {limits.max_latency_ms:g}: milliseconds are needed, or 0 for no limit")
