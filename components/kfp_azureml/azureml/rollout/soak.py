"""Watching a new deployment: requests of our own, aimed at it, and what Azure Monitor saw of everybody's."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

from kfp_azureml.azureml.rollout.probe import REQUEST_SECONDS
from kfp_azureml.azureml.waiting import REPORT_SECONDS
from kfp_azureml.runtime.errors import DeploymentError
from kfp_azureml.runtime.step import every, progress

if TYPE_CHECKING:
    import httpx

    from kfp_azureml.azureml.rollout.azure_monitor import RequestMetrics
    from kfp_azureml.azureml.rollout.probe import Probe, Scoring
    from kfp_azureml.azureml.rollout.strategy import Limits

PAUSE_SECONDS = 0.5  # between two of our own requests
LATENCY_SHARE = 0.95  # of the requests that have to be quick enough
FEWEST_FOR_LATENCY = 20  # requests: one slow one of fewer says nothing
METRICS_SECONDS = 60.0  # how often Azure Monitor is asked: its own grain
_ROUNDING = 1e-9  # of a share of requests


def check_latency(scoring: Scoring, probe: Probe, deployment: str, limits: Limits) -> None:
    """Ask a deployment that has no traffic yet some small questions, and see how long it takes to answer.

    Args:
        scoring: How the endpoint is asked.
        probe: What it is asked, in parts.
        deployment: The deployment; it has answered before.
        limits: How long it may take.

    Raises:
        DeploymentError: If it is too slow, or does not answer.
    """
    if not limits.max_latency_ms:
        return
    import httpx

    parts = cycle(probe.parts or (probe,))
    with httpx.Client(timeout=REQUEST_SECONDS) as client:
        milliseconds = []
        for _ in range(FEWEST_FOR_LATENCY):
            took, fault = _timed(scoring, client, next(parts), deployment)
            if fault:
                raise DeploymentError(f"deployment {deployment}: {fault}")
            milliseconds.append(took)
    _check_latency(milliseconds, len(milliseconds), deployment, limits)
    progress(f"deployment {deployment}: answers in {_quantile(milliseconds):.0f} ms")


def watch(
    scoring: Scoring,
    probe: Probe | None,
    deployment: str,
    seconds: float,
    limits: Limits,
    metrics: RequestMetrics | None,
    stage: str,
) -> None:
    """Watch a deployment for a while.

    Args:
        scoring: How the endpoint is asked.
        probe: What it is asked over and over, by its name; None: nothing.
        deployment: The deployment.
        seconds: How long.
        limits: What it must not exceed.
        metrics: What Azure Monitor says of the requests of others; None where it has nothing to say.
        stage: What is being watched for the log, such as `10 % of the traffic`.

    Raises:
        DeploymentError: As soon as a limit is exceeded, with what was seen.
    """
    if seconds <= 0:
        return
    import httpx

    what = f"deployment {deployment}, {stage}"
    progress(f"{what}: watching for {seconds:.0f} s, {_sources(probe, metrics)}")
    parts = cycle(probe.parts or (probe,)) if probe else None
    # Known from the start, so that the deployment is not given up later than it has to be.
    most = math.ceil(seconds / PAUSE_SECONDS)
    milliseconds: list[float] = []
    faults: list[str] = []
    until = time.monotonic() + seconds
    ask_metrics, tell = every(METRICS_SECONDS), every(REPORT_SECONDS)
    with httpx.Client(timeout=REQUEST_SECONDS) as client:
        while time.monotonic() < until:
            if parts:
                took, fault = _timed(scoring, client, next(parts), deployment)
                milliseconds.append(took)
                if fault:
                    faults.append(fault)
                    progress(f"{what}: {fault}")
                _check_failures(faults, most, len(milliseconds), what, limits)
                _check_latency(milliseconds, most, deployment, limits)
            if metrics and ask_metrics():
                metrics.check(limits, what)
            if tell():
                progress(f"{what}: {_seen(milliseconds, len(faults))}")
            time.sleep(min(PAUSE_SECONDS, max(0.0, until - time.monotonic())))
    # A slow deployment was asked less often.
    _check_failures(faults, len(milliseconds), len(milliseconds), what, limits)
    _check_latency(milliseconds, len(milliseconds), deployment, limits)
    if metrics:
        metrics.check(limits, what)
    progress(f"{what}: {_seen(milliseconds, len(faults))}")


def _timed(scoring: Scoring, client: httpx.Client, probe: Probe, deployment: str) -> tuple[float, str | None]:
    started = time.perf_counter()
    fault = scoring.ask_once(client, probe, deployment)
    return (time.perf_counter() - started) * 1000, fault


def _check_failures(faults: Sequence[str], of: int, asked: int, what: str, limits: Limits) -> None:
    if len(faults) > limits.max_error_rate * of + _ROUNDING:
        raise DeploymentError(
            f"{what}: {len(faults)} of {asked} requests failed, the last one: {faults[-1]} "
            f"(max_error_rate={limits.max_error_rate:g})"
        )


def _check_latency(milliseconds: Sequence[float], of: int, deployment: str, limits: Limits) -> None:
    slow = sum(took > limits.max_latency_ms for took in milliseconds)
    if limits.max_latency_ms and slow > (1 - LATENCY_SHARE) * max(of, FEWEST_FOR_LATENCY) + _ROUNDING:
        raise DeploymentError(
            f"deployment {deployment}: {LATENCY_SHARE:.0%} of {len(milliseconds)} requests took up to "
            f"{_quantile(milliseconds):.0f} ms (max_latency_ms={limits.max_latency_ms:g})"
        )


def _quantile(milliseconds: Sequence[float]) -> float:
    return sorted(milliseconds)[math.ceil(LATENCY_SHARE * len(milliseconds)) - 1]


def _seen(milliseconds: Sequence[float], failures: int) -> str:
    if not milliseconds:
        return "nothing of our own was asked"
    return f"{len(milliseconds)} requests of our own, {failures} failed, {_quantile(milliseconds):.0f} ms"


def _sources(probe: Probe | None, metrics: RequestMetrics | None) -> str:
    ours = "by requests of our own aimed at it" if probe else "without requests of our own: there is nothing to ask"
    theirs = f", and by Azure Monitor, which runs {metrics.lag_seconds:.0f} s or more behind" if metrics else ""
    return ours + theirs
