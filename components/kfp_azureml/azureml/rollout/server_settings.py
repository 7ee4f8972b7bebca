"""Settings of a deployment's server, such as its health probes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from kfp_azureml.azureml.rollout.named_fields import read_fields, read_whole
from kfp_azureml.runtime.errors import DeploymentError

REQUEST_TIMEOUT_SECONDS = 60
# Scoring takes milliseconds, so requests may queue; Azure's default queue rejects the third concurrent one.
MAX_CONCURRENT_REQUESTS = 16
# https://learn.microsoft.com/azure/machine-learning/reference-yaml-deployment-managed-online
MAX_MANAGED_TIMEOUT_SECONDS = 180
COLLECTIONS = ("model_inputs", "model_outputs")
ROLLING_RATES = ("minute", "hour", "day")


@dataclass(frozen=True)
class RequestSettings:
    """Limits of scoring requests.

    Attributes:
        timeout_seconds: Timeout of a request; whole seconds, as the SDK reads no others back.
        max_concurrent: Concurrent requests per instance.
        max_queue_wait_ms: How long a request may queue, on Kubernetes; None for Azure's default.
    """

    timeout_seconds: int = REQUEST_TIMEOUT_SECONDS
    max_concurrent: int = MAX_CONCURRENT_REQUESTS
    max_queue_wait_ms: int | None = None


@dataclass(frozen=True)
class HealthProbe:
    """How a container is probed; times are in seconds.

    Attributes:
        initial_delay: Time before the first probe.
        period: Time between probes.
        timeout: Timeout of a probe.
        success_threshold: Successes in a row after which it is healthy.
        failure_threshold: Failures in a row after which it is not.
    """

    # Ten minutes to load the model; later the same settings detect a container that hangs.
    initial_delay: int = 10
    period: int = 10
    timeout: int = 10
    success_threshold: int = 1
    failure_threshold: int = 60


@dataclass(frozen=True)
class DataCollection:
    """What Azure ML collects of a deployment's requests into the workspace's storage.

    Attributes:
        collections: Names of the collections; the entry script fills them, `request` and `response` fill themselves.
        sampling_rate: Share of the requests, 0 to 1.
        rolling_rate: When a new file begins; one of `ROLLING_RATES`.
    """

    collections: tuple[str, ...] = COLLECTIONS
    sampling_rate: float = 1.0
    rolling_rate: str = "hour"


@dataclass(frozen=True)
class ServerSettings:
    """Settings of the server of a deployment.

    Attributes:
        requests: Limits of scoring requests.
        liveness: Detects a container that hangs.
        readiness: Detects a container that does not answer yet.
        app_insights: Whether Application Insights is on.
        data_collection: What is collected; None for nothing.
    """

    requests: RequestSettings = RequestSettings()
    liveness: HealthProbe = HealthProbe()
    readiness: HealthProbe = HealthProbe()
    app_insights: bool = False
    data_collection: DataCollection | None = None


def read_request_settings(
    timeout_seconds: int, max_concurrent: int, *, on_kubernetes: bool, max_queue_wait_ms: int | None = None
) -> RequestSettings:
    """Validate the limits of requests; 0 selects the default.

    Raises:
        DeploymentError: If one is out of range.
    """
    timeout = read_whole("request_timeout_seconds", timeout_seconds, 0) or REQUEST_TIMEOUT_SECONDS
    if timeout > MAX_MANAGED_TIMEOUT_SECONDS and not on_kubernetes:
        raise DeploymentError(
            f"request_timeout_seconds {timeout}: managed endpoints allow at most {MAX_MANAGED_TIMEOUT_SECONDS} seconds"
        )
    concurrent = read_whole("max_concurrent_requests", max_concurrent, 0) or MAX_CONCURRENT_REQUESTS
    return RequestSettings(timeout, concurrent, max_queue_wait_ms)


def read_probes(value: dict[str, Any]) -> tuple[HealthProbe, HealthProbe]:
    """Read the parameter `probes`: the liveness and the readiness probe.

    Raises:
        DeploymentError: If it has other fields, or a number is out of range.
    """
    probes = read_fields("probes", value, ("liveness", "readiness"))
    liveness, readiness = (_read_probe(f"probes {name}", probes.get(name, {})) for name in ("liveness", "readiness"))
    if liveness.success_threshold != 1:
        raise DeploymentError(
            f"probes liveness success_threshold {liveness.success_threshold}: must be 1; only readiness may have more"
        )
    return liveness, readiness


def _read_probe(where: str, value: object) -> HealthProbe:
    given = read_fields(where, value, [field.name for field in fields(HealthProbe)])
    # The SDK sends no initial delay of 0.
    return HealthProbe(**{name: read_whole(f"{where} {name}", number, 1) for name, number in given.items()})


def read_data_collection(value: dict[str, Any]) -> DataCollection | None:
    """Read the parameter `data_collector`; empty collects nothing.

    Raises:
        DeploymentError: If it has other fields, or one has a wrong value.
    """
    given = read_fields("data_collector", value, [field.name for field in fields(DataCollection)])
    if not value:
        return None
    if "collections" in given:
        names = given["collections"]
        if not isinstance(names, (list, tuple)) or not names or not all(isinstance(name, str) for name in names):
            raise DeploymentError(f"data_collector collections: must be a list of names, such as {list(COLLECTIONS)}")
        for name in names:
            if not name.isascii() or not name.replace("_", "").isalnum():
                raise DeploymentError(f"data_collector collection {name[:60]!r}: must be letters, digits and '_'")
        given["collections"] = tuple(sorted(set(names)))
    rate = given.get("sampling_rate", 1.0)
    if type(rate) not in (int, float) or not 0 <= rate <= 1:
        raise DeploymentError(f"data_collector sampling_rate {str(rate)[:60]}: must be 0 to 1")
    rolling = given.get("rolling_rate", "hour")
    if rolling not in ROLLING_RATES:
        raise DeploymentError(f"data_collector rolling_rate {str(rolling)[:60]}: set one of {', '.join(ROLLING_RATES)}")
    return DataCollection(**{**given, "sampling_rate": float(rate)})
