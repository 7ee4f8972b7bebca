"""Check what several training workers need: Kubeflow Trainer, rights, a training runtime."""

from __future__ import annotations

from pathlib import Path

from kfp_azureml.doctor.kubeflow.cluster import REQUEST_SECONDS, missing_rights
from kfp_azureml.engines.train_job import OUR_RUNTIME, STOCK_RUNTIME, TRAIN_JOB
from kfp_azureml.kubeflow.cluster import Cluster, cluster_errors
from kfp_azureml.runtime.checks import Outcome, failed, passed, skipped, warning

RIGHTS = (
    *((TRAIN_JOB.group, TRAIN_JOB.plural, verb, "") for verb in ("create", "get", "list", "delete")),
    ("", "pods", "get", ""),
    ("", "pods", "list", ""),
    ("", "pods/log", "get", ""),
    ("", "events", "list", ""),
)
"""Rights of train_distributed beyond those of any step: API group, resource, verb, name."""
_INSTALL = (
    "kubectl apply --server-side -k "
    '"https://github.com/kubeflow/trainer.git/manifests/overlays/manager?ref=v2.3.0" (docs/aks.md)'
)
_APPLY = f"kubectl apply -k {TRAIN_JOB.role}"
_FORBIDDEN, _NOT_FOUND = 403, 404


def check_train_workers(cluster: Cluster, account: str, pipeline: Path | None) -> Outcome:
    """Check Trainer's CRD, the rights of the runs' service account, and the training runtime.

    A pipeline that trains in one pod needs none of them.

    Args:
        cluster: The cluster.
        account: The runs' service account.
        pipeline: The compiled pipeline; None if it is not known.
    """
    is_needed = pipeline is not None and "comp-train-distributed" in pipeline.read_text(errors="replace")
    what = f"{TRAIN_JOB.operator} ({TRAIN_JOB.plural}.{TRAIN_JOB.group})"
    if not _is_installed(cluster):
        if is_needed:
            return failed(f"the pipeline trains in several workers, but {what} is not installed", _INSTALL)
        return skipped(f"{what} is not installed: only pipelines compiled with TRAIN_WORKERS need it")
    missing = missing_rights(cluster, account, RIGHTS)
    if missing is None:
        return skipped("not checked: you may not review the access of others")
    if missing:
        message = f"{what} is installed, but service account {account} may not {', '.join(missing)}"
        return failed(message, _APPLY) if is_needed else warning(f"{message}: TRAIN_WORKERS needs that", _APPLY)
    runtime = OUR_RUNTIME if _has_runtime(cluster) else f"{STOCK_RUNTIME}, since {OUR_RUNTIME} is missing ({_APPLY})"
    return passed(f"{what}; training runtime {runtime}")


def _is_installed(cluster: Cluster) -> bool:
    return _exists(cluster, TRAIN_JOB.api_path)


def _has_runtime(cluster: Cluster) -> bool:
    return _exists(cluster, f"{TRAIN_JOB.api_path}/clustertrainingruntimes/{OUR_RUNTIME}")


def _exists(cluster: Cluster, path: str) -> bool:
    """Tell whether a path of the API exists; False also if it may not be read."""
    from kubernetes.client import ApiException

    with cluster_errors(cluster, "get", path):
        try:
            cluster.core.api_client.call_api(
                path, "GET", auth_settings=["BearerToken"], _request_timeout=REQUEST_SECONDS, _preload_content=False
            )
        except ApiException as error:
            if error.status in (_FORBIDDEN, _NOT_FOUND):
                return False
            raise
    return True
