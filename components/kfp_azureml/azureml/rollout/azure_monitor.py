"""What Azure Monitor counted of a deployment's requests; on managed endpoints only.

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
LAG_SECONDS = 180.0  # Azure states no figure; its documents speak of some minutes
FEWEST_REQUESTS = 20  # before a share of failures says anything

# The model's fault, or the lack of machines. What else begins with 4 is the caller's.
_FAILED = frozenset({408, 424, 429})

logger = logging.getLogger(__name__)


@dataclass
class RequestMetrics:
    """The requests of one deployment, since a moment.

    Attributes:
        arm: Asks Azure Monitor.
        endpoint_id: The endpoint's Azure resource id.
        deployment: The deployment's name.
        since: From when on.
        lag_seconds: How far behind Azure Monitor is.
    """

    arm: Arm
    endpoint_id: str
    deployment: str
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    lag_seconds: float = LAG_SECONDS
    _silent: bool = field(default=False, init=False)

    def check(self, limits: Limits, what: str) -> None:
        """Compare what Azure Monitor knows so far with the limits.

        Where it may not be asked, that is said once, and changes nothing; nor does a failure of the moment.

        Args:
            limits: What the deployment must not exceed.
            what: What is being watched, for the message.

        Raises:
            DeploymentError: If too many requests failed.
        """
        if self._silent:
            return
        try:
            counts = self._count()
        except AzureError as error:
            self._silent = not is_transient(error)
            advice = "role 'Monitoring Reader' lets it" if self._silent else "it is asked again"
            logger.warning("%s: Azure Monitor does not tell (%s); %s", what, first_line(error), advice)
            return
        requests = sum(counts.values())
        failed = sum(number for status, number in counts.items() if status >= 500 or status in _FAILED)
        if requests >= FEWEST_REQUESTS and failed > limits.max_error_rate * requests:
            raise DeploymentError(
                f"{what}: by Azure Monitor {failed:.0f} of {requests:.0f} requests failed "
                f"(max_error_rate={limits.max_error_rate:g})"
            )

    def _count(self) -> dict[int, float]:
        """Return how many requests ended with which status."""
        now = datetime.now(UTC)
        # Whole minutes, as that is what it counts in; the one of the beginning may hold earlier requests.
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
