"""Azure Monitor metrics for all traffic of a deployment; managed endpoints only.

RequestsPerMinute, an average by deployment and status code in grains of a minute, is among the supported metrics of
https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/microsoft-machinelearningservices-workspaces-onlineendpoints-metrics
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError

from kfp_azureml.azureml.retries import is_transient
from kfp_azureml.runtime.errors import DeploymentError, first_line

if TYPE_CHECKING:
    from kfp_azureml.azureml.arm import Arm
    from kfp_azureml.azureml.rollout.strategy import Limits

API_VERSION = "2018-01-01"
REQUESTS = "RequestsPerMinute"
LAG_SECONDS = 180.0  # the documentation says "some minutes"
MIN_REQUESTS = 20  # of fewer, a share of failures says nothing

# Caused by the model or missing capacity; other 4xx statuses are caused by the client.
_FAILED = frozenset({408, 424, 429})

logger = logging.getLogger(__name__)


@dataclass
class RequestMetrics:
    """Request metrics of one deployment.

    Attributes:
        arm: Azure Resource Manager client.
        endpoint_id: The endpoint's Azure resource id.
        deployment: The deployment's name.
        since: Start of the interval.
        lag_seconds: Delay of Azure Monitor.
    """

    arm: Arm
    endpoint_id: str
    deployment: str
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    lag_seconds: float = LAG_SECONDS
    _silent: bool = field(default=False, init=False)

    def check(self, limits: Limits, what: str) -> None:
        """Compare the metrics so far with the limits.

        Without permission, warn once and continue; ignore transient errors.

        Args:
            limits: The deployment's limits.
            what: What is watched, for the message.

        Raises:
            DeploymentError: If too many requests failed.
        """
        if self._silent:
            return
        try:
            counts = self._count()
        except AzureError as error:
            self._silent = not is_transient(error)
            advice = "the role 'Monitoring Reader' allows it" if self._silent else "retrying"
            logger.warning("%s: no metrics from Azure Monitor (%s); %s", what, first_line(error), advice)
            return
        requests = sum(counts.values())
        failed = sum(number for status, number in counts.items() if status >= 500 or status in _FAILED)
        if requests >= MIN_REQUESTS and failed > limits.max_error_rate * requests:
            raise DeploymentError(
                f"{what}: {failed:.0f} of {requests:.0f} requests failed according to Azure Monitor "
                f"(max_error_rate={limits.max_error_rate:g})"
            )

    def _count(self) -> dict[int, float]:
        """Return the number of requests by status."""
        now = datetime.now(UTC)
        # Whole minutes, its own grain; the first may include earlier requests.
        begin = (self.since + timedelta(minutes=1)).replace(second=0, microsecond=0)
        if begin >= now:
            return {}
        answer = self.arm.get(
            f"{self.endpoint_id}/providers/Microsoft.Insights/metrics",
            **{
                "api-version": API_VERSION,
                "metricnames": REQUESTS,
                "aggregation": "Average",
                "interval": "PT1M",
                "timespan": f"{_moment(begin)}/{_moment(now)}",
                "$filter": f"deployment eq '{self.deployment}' and statusCode eq '*'",
            },
        )
        counts: dict[int, float] = {}
        for metric in answer.get("value", []):
            for series in metric.get("timeseries", []):
                status = _status(series)
                minutes = sum(point.get("average") or 0 for point in series.get("data", []))
                counts[status] = counts.get(status, 0) + minutes
        return counts


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _status(series: dict[str, Any]) -> int:
    for value in series.get("metadatavalues", []):
        if value["name"]["value"].lower() == "statuscode":
            return int(value["value"]) if str(value["value"]).isdecimal() else 0
    return 0
