"""Monitor a new deployment with probes and with Azure Monitor's metrics for all traffic."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

from kfp_azureml.azureml.waiting import REPORT_SECONDS
from kfp_azureml.runtime.errors import DeploymentError
from kfp_azureml.runtime.step import progress, throttle

if TYPE_CHECKING:
    import httpx

    from kfp_azureml.azureml.rollout.azure_monitor import RequestMetrics
    from kfp_azureml.azureml.rollout.probe import Probe, ScoringClient
    from kfp_azureml.azureml.rollout.strategy import Limits

PAUSE_SECONDS = 0.5  # between two probes
LATENCY_QUANTILE = 0.95
MIN_REQUESTS_FOR_LATENCY = 20  # of fewer, one slow request says nothing
METRICS_SECONDS = 60.0  # Azure Monitor's own grain
_ROUNDING = 1e-9  # of a share of requests


@dataclass(frozen=True)
class Monitor:
    """Checks that a deployment keeps its limits.

    Attributes:
        deployment: The deployment's name.
        limits: Limits it must keep.
        scoring: How to send requests to the endpoint.
        probe: The request to send; None to send none.
        metrics: Azure Monitor metrics of the deployment; None if there are none.
    """

    deployment: str
    limits: Limits
    scoring: ScoringClient
    probe: Probe | None
    metrics: RequestMetrics | None = None

    def check_latency(self) -> None:
        """Measure the p95 latency of a deployment that has no traffic yet, if it has a limit.

        Raises:
            DeploymentError: If the limit is exceeded or a request fails.
        """
        if not self.limits.max_latency_ms or self.probe is None:
            return
        import httpx

        parts = cycle(self.probe.parts or (self.probe,))
        with httpx.Client(timeout=self.scoring.timeout_seconds) as client:
            milliseconds = []
            for _ in range(MIN_REQUESTS_FOR_LATENCY):
                took, fault = self._timed(client, next(parts))
                if fault:
                    raise DeploymentError(f"deployment {self.deployment}: {fault}")
                milliseconds.append(took)
        self._check_latency(milliseconds, len(milliseconds))
        progress(f"deployment {self.deployment}: p95 latency {_p95(milliseconds):.0f} ms")

    def soak(self, seconds: float, stage: str) -> None:
        """Monitor the deployment for a time.

        Args:
            seconds: The soak time.
            stage: The monitored stage, for the log, such as `10 % of the traffic`.

        Raises:
            DeploymentError: As soon as a limit is exceeded.
        """
        if seconds <= 0:
            return
        import httpx

        what = f"deployment {self.deployment}, {stage}"
        progress(f"{what}: monitoring for {seconds:.0f} s, {self._sources}")
        parts = cycle(self.probe.parts or (self.probe,)) if self.probe else None
        # The maximum number of probes: a deployment fails only when its limit is certainly exceeded.
        most = math.ceil(seconds / PAUSE_SECONDS)
        milliseconds: list[float] = []
        faults: list[str] = []
        until = time.monotonic() + seconds
        metrics_due, report_due = throttle(METRICS_SECONDS), throttle(REPORT_SECONDS)
        with httpx.Client(timeout=self.scoring.timeout_seconds) as client:
            while time.monotonic() < until:
                if parts:
                    took, fault = self._timed(client, next(parts))
                    milliseconds.append(took)
                    if fault:
                        faults.append(fault)
                        progress(f"{what}: {fault}")
                    self._check_failures(faults, most, len(milliseconds), what)
                    self._check_latency(milliseconds, most)
                if self.metrics and metrics_due():
                    self.metrics.check(self.limits, what)
                if report_due():
                    progress(f"{what}: {_seen(milliseconds, len(faults))}")
                time.sleep(min(PAUSE_SECONDS, max(0.0, until - time.monotonic())))
        # A slow deployment got fewer requests than there could be.
        self._check_failures(faults, len(milliseconds), len(milliseconds), what)
        self._check_latency(milliseconds, len(milliseconds))
        if self.metrics:
            self.metrics.check(self.limits, what)
        progress(f"{what}: {_seen(milliseconds, len(faults))}")

    def _timed(self, client: httpx.Client, probe: Probe) -> tuple[float, str | None]:
        started = time.perf_counter()
        fault = self.scoring.send_once(client, probe, self.deployment)
        return (time.perf_counter() - started) * 1000, fault

    def _check_failures(self, faults: Sequence[str], of: int, sent: int, what: str) -> None:
        if len(faults) > self.limits.max_error_rate * of + _ROUNDING:
            raise DeploymentError(
                f"{what}: {len(faults)} of {sent} requests failed, the last one: {faults[-1]} "
                f"(max_error_rate={self.limits.max_error_rate:g})"
            )

    def _check_latency(self, milliseconds: Sequence[float], of: int) -> None:
        limit = self.limits.max_latency_ms
        slow = sum(took > limit for took in milliseconds)
        if limit and slow > (1 - LATENCY_QUANTILE) * max(of, MIN_REQUESTS_FOR_LATENCY) + _ROUNDING:
            raise DeploymentError(
                f"deployment {self.deployment}: p95 latency {_p95(milliseconds):.0f} ms in {len(milliseconds)} "
                f"requests (max_latency_ms={limit:g})"
            )

    @property
    def _sources(self) -> str:
        ours = "with probes of this step" if self.probe else "without probes, since there is no sample and no request"
        theirs = f", and Azure Monitor, {self.metrics.lag_seconds:.0f} s or more behind" if self.metrics else ""
        return ours + theirs


def _p95(milliseconds: Sequence[float]) -> float:
    return sorted(milliseconds)[math.ceil(LATENCY_QUANTILE * len(milliseconds)) - 1]


def _seen(milliseconds: Sequence[float], failures: int) -> str:
    if not milliseconds:
        return "no probes sent"
    return f"{len(milliseconds)} probes, {failures} failed, p95 latency {_p95(milliseconds):.0f} ms"
