"""Azure Monitor metrics of an online endpoint's requests, with a delay.

The request and the response are those of api-version 2018-01-01, and the parts of newer ones that clients use:
specification/monitor/resource-manager/Microsoft.Insights/stable/2018-01-01/metrics_API.json in azure-rest-api-specs.
An endpoint on Kubernetes has no values, as in Azure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.arm.durations import duration_seconds
from azureml_emulator.arm.errors import ArmError
from azureml_emulator.arm.resources import PROVIDER
from azureml_emulator.context import context_of
from azureml_emulator.control_plane.lookup import arm_path, get_resource
from azureml_emulator.scoring.metrics import METRICS, MINUTE, Metric, ScoredRequest, measure_minutes
from azureml_emulator.store import Document

NAMESPACE = f"{PROVIDER}/workspaces/onlineEndpoints"
SUFFIX = "/providers/Microsoft.Insights/metrics"
HOUR = 60 * MINUTE
MOST_POINTS = 20_000
AGGREGATIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "average": fmean,
    "minimum": min,
    "maximum": max,
    "total": sum,
    "count": len,
}
CONDITION = re.compile(r"(\w+)\s+(eq|ne)\s+'([^']*)'")


@dataclass(frozen=True)
class Condition:
    """One condition of a filter.

    Attributes:
        dimension: The dimension's name.
        is_equal: Whether it must have the value, or must not.
        value: The value; `*` for all, each in its own series.
    """

    dimension: str
    is_equal: bool
    value: str


async def list_metrics(request: Request) -> Response:
    """GET an endpoint's metrics."""
    query = request.query_params
    context = context_of(request)
    endpoint = get_resource(request, arm_path(request).removesuffix(SUFFIX))
    metrics = [_metric(name) for name in query.get("metricnames", METRICS[0].name).split(",")]
    aggregations = [_aggregation(name) for name in query.get("aggregation", "Average").split(",")]
    begin, end = _timespan(query.get("timespan"), context.metrics.now)
    interval = query.get("interval", "PT1M")
    seconds = max(1, int(end - begin)) if interval.upper() == "FULL" else _interval_seconds(interval)
    if (end - begin) / seconds > MOST_POINTS:
        raise _bad_request(
            f"A timespan of {end - begin:g} seconds has too many intervals of {seconds} seconds: at most {MOST_POINTS}."
        )
    conditions = _read_filter(query.get("$filter", ""))
    top = query.get("top", "10")
    if not top.isdecimal():
        raise _bad_request(f"top must be a number, not {top!r}.")
    requests = context.metrics.visible(endpoint["id"], begin, end)
    starts = range(int(begin), int(end), seconds)
    return JSONResponse(
        {
            "cost": 0,
            "timespan": f"{_moment(begin)}/{_moment(end)}",
            "interval": interval,
            "namespace": NAMESPACE,
            "resourceregion": endpoint["location"],
            "value": [
                {
                    "id": f"{endpoint['id']}{SUFFIX}/{metric.name}",
                    "type": "Microsoft.Insights/metrics",
                    "name": {"value": metric.name, "localizedValue": metric.title},
                    "displayDescription": metric.description,
                    "unit": metric.unit,
                    "timeseries": [
                        {
                            "metadatavalues": [
                                {"name": {"value": name.lower(), "localizedValue": name.lower()}, "value": value}
                                for name, value in split.items()
                            ],
                            "data": _points(measure_minutes(metric, found), starts, aggregations),
                        }
                        for split, found in _series(requests, _of_metric(metric, conditions))[: int(top)]
                    ],
                    "errorCode": "Success",
                }
                for metric in metrics
            ],
        }
    )


def _bad_request(message: str) -> ArmError:
    """An invalid request in the form of Azure Monitor, which is not the Azure ML service."""
    return ArmError(400, "BadRequest", message, gateway=True)


def _metric(name: str) -> Metric:
    for metric in METRICS:
        if metric.name.lower() == name.strip().lower():
            return metric
    known = ",".join(metric.name for metric in METRICS)
    raise _bad_request(f"Failed to find metric configuration for {NAMESPACE}, metric: {name}, Valid metrics: {known}.")


def _aggregation(name: str) -> str:
    if name.strip().lower() not in AGGREGATIONS:
        raise _bad_request(f"The aggregation {name!r} is not one of {', '.join(AGGREGATIONS)}.")
    return name.strip().lower()


def _timespan(text: str | None, now: float) -> tuple[float, float]:
    """Return a timespan in whole minutes; by default the last hour."""
    if text is None:
        begin, end = now - HOUR, now
    else:
        try:
            begin, end = (_utc(datetime.fromisoformat(part)).timestamp() for part in text.split("/"))
        except ValueError:
            raise _bad_request(f"The timespan {text!r} is not 'START/END' in ISO 8601.") from None
    begin = begin // MINUTE * MINUTE
    if end <= begin:
        raise _bad_request(f"The timespan {text!r} ends before it begins.")
    return begin, end


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _interval_seconds(text: str) -> int:
    try:
        seconds = duration_seconds(text)
    except ArmError as error:
        raise _bad_request(error.message) from None
    if seconds < MINUTE or seconds % MINUTE:
        raise _bad_request(f"The interval {text!r} must be whole minutes, such as PT1M.")
    return int(seconds)


def _read_filter(text: str) -> list[Condition]:
    """Parse a filter: conditions joined by `and`, or by `or` within one dimension."""
    conditions = []
    for part in re.split(r"\s+(?:and|or)\s+", text.strip()) if text.strip() else ():
        found = CONDITION.fullmatch(part)
        if found is None:
            raise _bad_request(f"$filter has {part!r}, which is not NAME eq 'VALUE' or NAME ne 'VALUE'.")
        conditions.append(Condition(found[1].lower(), found[2] == "eq", found[3]))
    return conditions


def _of_metric(metric: Metric, conditions: list[Condition]) -> dict[str, list[Condition]]:
    """Return the conditions by the metric's dimensions."""
    names = {name.lower(): name for name in metric.dimensions}
    for condition in conditions:
        if condition.dimension not in names:
            known = ", ".join(metric.dimensions)
            raise _bad_request(f"The metric {metric.name} has no dimension {condition.dimension!r}: it has {known}.")
    return {name: [one for one in conditions if one.dimension == name.lower()] for name in metric.dimensions}


def _series(
    requests: list[ScoredRequest], conditions: Mapping[str, list[Condition]]
) -> list[tuple[Mapping[str, str], list[ScoredRequest]]]:
    """Split requests by the filter's dimensions; without any, into one series."""
    split = [name for name, found in conditions.items() if found]
    series: dict[tuple[str, ...], list[ScoredRequest]] = {} if split else {(): []}
    for request in requests:
        if all(_passes(request.dimensions[name], conditions[name]) for name in split):
            series.setdefault(tuple(request.dimensions[name] for name in split), []).append(request)
    return [(dict(zip(split, values, strict=True)), found) for values, found in sorted(series.items())]


def _passes(value: str, conditions: list[Condition]) -> bool:
    wanted = [one.value.lower() for one in conditions if one.is_equal]
    unwanted = [one.value.lower() for one in conditions if not one.is_equal]
    return (not wanted or "*" in wanted or value.lower() in wanted) and value.lower() not in unwanted


def _points(minutes: Mapping[int, float], starts: range, aggregations: list[str]) -> list[Document]:
    values: dict[int, list[float]] = {}
    for minute, value in minutes.items():
        values.setdefault((minute - starts.start) // starts.step, []).append(value)
    return [
        {"timeStamp": _moment(start)}
        | ({name: float(AGGREGATIONS[name](values[number])) for name in aggregations} if number in values else {})
        for number, start in enumerate(starts)
    ]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


routes = [Route(f"/onlineEndpoints/{{endpoint}}{SUFFIX}", list_metrics)]
