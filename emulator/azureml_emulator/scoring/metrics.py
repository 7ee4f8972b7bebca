"""Request metrics per minute, as Azure Monitor has them.

Names, units and dimensions are those of `Microsoft.MachineLearningServices/workspaces/onlineEndpoints`:
https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/microsoft-machinelearningservices-workspaces-onlineendpoints-metrics
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

MINUTE = 60
KEPT_SECONDS = 24 * 60 * MINUTE
DIMENSIONS = ("deployment", "statusCode", "statusCodeClass", "modelStatusCode")


@dataclass(frozen=True)
class ScoredRequest:
    """A client's or mirrored request to a deployment of a managed endpoint.

    Attributes:
        time: Time of the response, in seconds since 1970.
        seconds: Its latency.
        dimensions: Values of `DIMENSIONS`.
    """

    time: float
    seconds: float
    dimensions: Mapping[str, str]


@dataclass(frozen=True)
class Metric:
    """A metric of Azure Monitor.

    Attributes:
        name: Its name in the API.
        title: Its display name.
        description: What it measures.
        unit: The unit of its values.
        dimensions: What its values can be filtered and split by.
        measure: Computes the value of one minute from that minute's requests.
    """

    name: str
    title: str
    description: str
    unit: str
    dimensions: Sequence[str]
    measure: Callable[[Sequence[ScoredRequest]], float]


def _average_milliseconds(requests: Sequence[ScoredRequest]) -> float:
    return 1000 * fmean(request.seconds for request in requests)


def _percentile_milliseconds(percent: int, requests: Sequence[ScoredRequest]) -> float:
    """Nearest rank: the smallest latency that `percent` of requests do not exceed."""
    ordered = sorted(request.seconds for request in requests)
    return 1000 * ordered[math.ceil(len(ordered) * percent / 100) - 1]


METRICS = (
    Metric(
        "RequestsPerMinute",
        "Requests Per Minute",
        "The number of requests sent to online endpoint within a minute",
        "Count",
        DIMENSIONS,
        len,
    ),
    Metric(
        "RequestLatency",
        "Request Latency",
        "The average complete interval of time taken for a request to be responded in milliseconds",
        "MilliSeconds",
        ("deployment",),
        _average_milliseconds,
    ),
    *(
        Metric(
            f"RequestLatency_P{percent}",
            f"Request Latency P{percent}",
            f"The average P{percent} request latency aggregated by all request latency values collected over the"
            " selected time period",
            "MilliSeconds",
            ("deployment",),
            partial(_percentile_milliseconds, percent),
        )
        for percent in (50, 90, 95, 99)
    ),
)


class RequestMetrics:
    """The requests of the last day, by endpoint."""

    def __init__(self, lag_seconds: float = 0.0, clock: Callable[[], float] = time.time) -> None:
        self._lag_seconds = lag_seconds
        self._clock = clock
        self._requests: dict[str, list[ScoredRequest]] = {}

    @property
    def now(self) -> float:
        """The time, in seconds since 1970."""
        return self._clock()

    def record(self, endpoint_id: str, deployment: str, status: int, model_status: int | None, seconds: float) -> None:
        """Record a request.

        Args:
            endpoint_id: The endpoint's ARM id.
            deployment: The deployment's name.
            status: The response status, also of mirrored requests.
            model_status: The container's status; None without a response.
            seconds: The latency.
        """
        dimensions = {
            "deployment": deployment,
            "statusCode": str(status),
            "statusCodeClass": f"{status // 100}xx",
            # The service's documentation does not say what it has without a response.
            "modelStatusCode": str(model_status or 0),
        }
        requests = self._requests.setdefault(endpoint_id.lower(), [])
        requests.append(ScoredRequest(self._clock(), seconds, dimensions))
        if requests[0].time < self._clock() - 2 * KEPT_SECONDS:
            requests[:] = [request for request in requests if request.time >= self._clock() - KEPT_SECONDS]

    def visible(self, endpoint_id: str, begin: float, end: float) -> list[ScoredRequest]:
        """Return an endpoint's requests in [begin, end), without those of the lag.

        Times are in seconds since 1970.
        """
        known = self._clock() - self._lag_seconds
        requests = self._requests.get(endpoint_id.lower(), [])
        return [request for request in requests if begin <= request.time < end and request.time <= known]

    def clear(self) -> None:
        """Forget all requests."""
        self._requests.clear()


def measure_minutes(metric: Metric, requests: Iterable[ScoredRequest]) -> dict[int, float]:
    """Return the value of each minute with requests, by its start since 1970."""
    minutes: dict[int, list[ScoredRequest]] = {}
    for request in requests:
        minutes.setdefault(int(request.time // MINUTE) * MINUTE, []).append(request)
    return {minute: float(metric.measure(found)) for minute, found in minutes.items()}
