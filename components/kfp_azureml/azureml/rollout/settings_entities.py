"""A deployment's settings as entities of the SDK, and the comparison of a deployment with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfp_azureml.azureml.rollout.scaling import Scaling
from kfp_azureml.azureml.rollout.server_settings import DataCollection, HealthProbe, RequestSettings, ServerSettings

if TYPE_CHECKING:
    from azure.ai.ml.entities import DataCollector, OnlineDeployment, OnlineRequestSettings, ProbeSettings


def settings_entities(settings: ServerSettings) -> dict[str, Any]:
    """Return the keyword arguments of a new deployment."""
    return {
        "request_settings": _requests(settings.requests),
        "liveness_probe": _probe(settings.liveness),
        "readiness_probe": _probe(settings.readiness),
        "app_insights_enabled": settings.app_insights,
        "data_collector": _collector(settings.data_collection) if settings.data_collection else None,
    }


def scaling_entities(scaling: Scaling | None) -> dict[str, Any]:
    """Return the keyword arguments of a new deployment on Kubernetes."""
    if scaling is None:
        return {}
    from azure.ai.ml.entities import TargetUtilizationScaleSettings

    return {"scale_settings": TargetUtilizationScaleSettings(**vars(scaling))}


def has_settings(deployment: OnlineDeployment, settings: ServerSettings) -> bool:
    """Return whether a deployment has these settings; those that Azure does not show count as such."""
    wanted, requests = settings.requests, deployment.request_settings
    return (
        _same(getattr(requests, "request_timeout_ms", None), wanted.timeout_seconds * 1000)
        and _same(getattr(requests, "max_concurrent_requests_per_instance", None), wanted.max_concurrent)
        and (
            wanted.max_queue_wait_ms is None
            # The SDK reads whole seconds.
            or _same(getattr(requests, "max_queue_wait_ms", None), wanted.max_queue_wait_ms // 1000 * 1000)
        )
        and _has_probe(deployment.liveness_probe, settings.liveness)
        and _has_probe(deployment.readiness_probe, settings.readiness)
        and bool(deployment.app_insights_enabled) == settings.app_insights
        and _collected(deployment.data_collector) == settings.data_collection
    )


def has_scaling(deployment: OnlineDeployment, scaling: Scaling | None) -> bool:
    """Return whether a deployment on Kubernetes scales like this; without scaling, as it does."""
    return scaling is None or all(
        getattr(deployment.scale_settings, name, None) == number for name, number in vars(scaling).items()
    )


def _requests(settings: RequestSettings) -> OnlineRequestSettings:
    from azure.ai.ml.entities import OnlineRequestSettings

    return OnlineRequestSettings(
        request_timeout_ms=settings.timeout_seconds * 1000,
        max_concurrent_requests_per_instance=settings.max_concurrent,
        max_queue_wait_ms=settings.max_queue_wait_ms,
    )


def _probe(probe: HealthProbe) -> ProbeSettings:
    from azure.ai.ml.entities import ProbeSettings

    return ProbeSettings(**vars(probe))


def _collector(collection: DataCollection) -> DataCollector:
    from azure.ai.ml.entities import DataCollector, DeploymentCollection

    return DataCollector(
        collections={name: DeploymentCollection(enabled="true") for name in collection.collections},
        sampling_rate=collection.sampling_rate,
        rolling_rate=collection.rolling_rate,
    )


def _has_probe(found: ProbeSettings | None, wanted: HealthProbe) -> bool:
    return all(_same(getattr(found, name, None), number) for name, number in vars(wanted).items())


def _collected(collector: DataCollector | None) -> DataCollection | None:
    """Return what a deployment collects; None for nothing."""
    collections = collector.collections if collector else {}
    enabled = sorted(name for name, one in collections.items() if str(one.enabled).lower() == "true")
    if collector is None or not enabled:
        return None
    rate = 1.0 if collector.sampling_rate is None else float(collector.sampling_rate)
    rolling = getattr(collector.rolling_rate, "value", collector.rolling_rate)  # an enumeration, unless it is unknown
    return DataCollection(tuple(enabled), rate, str(rolling or "hour").lower())


def _same(found: object, wanted: object) -> bool:
    return found is None or found == wanted
