"""Delete the resources that a pipeline run left on Kubernetes."""

from __future__ import annotations

from collections.abc import Sequence

from kfp_azureml.engines.api import Api
from kfp_azureml.engines.api_errors import ApiError
from kfp_azureml.engines.deletion import delete
from kfp_azureml.engines.identity import run_labels
from kfp_azureml.engines.kinds import Kind
from kfp_azureml.engines.refusals import refusals
from kfp_azureml.engines.train_job import TRAIN_JOB
from kfp_azureml.runtime.errors import KubeflowError, PipelineError
from kfp_azureml.runtime.step import progress

KINDS = (TRAIN_JOB,)
"""The kinds of resources that the suite creates."""


def clean_up(api: Api, pipeline_run_id: str, *, kinds: Sequence[Kind] = KINDS, dry_run: bool = False) -> list[str]:
    """Delete the resources of a pipeline run whose work has not ended.

    Args:
        api: The cluster.
        pipeline_run_id: The pipeline run.
        kinds: The kinds of resources.
        dry_run: List what there is and change nothing.

    Returns:
        What was done, one line each; with `dry_run` what was found.

    Raises:
        PipelineError: If no pipeline run is given.
        KubeflowError: If resources cannot be listed or deleted; the others are.
    """
    if not pipeline_run_id:
        raise PipelineError("no pipeline run given: set run_id (--run-id)")
    found = [(kind, name) for kind in kinds for name in _unfinished(api, kind, pipeline_run_id)]
    for kind, name in found:
        progress(f"{kind.name} {api.namespace}/{name}: left by the run")
    if not found:
        progress(f"nothing left on Kubernetes in namespace {api.namespace}")
    if dry_run:
        return [f"{kind.name} {api.namespace}/{name}" for kind, name in found]
    done = [delete(api, kind, name) for kind, name in found]
    if failed := [line for line in done if "could not" in line]:
        raise KubeflowError("; ".join(failed))
    return done


def _unfinished(api: Api, kind: Kind, pipeline_run_id: str) -> list[str]:
    """Return the names of a run's resources of a kind whose work has not ended."""
    selector = ",".join(f"{label}={value}" for label, value in run_labels(pipeline_run_id).items())
    with refusals(api, kind, "list"):
        try:
            listed = api.get(kind.path(api.namespace), labelSelector=selector).get("items", [])
        except ApiError as error:
            if error.status == 404:
                return []
            raise
    return [
        str(resource["metadata"]["name"])
        for resource in listed
        if not kind.state(resource).is_over and "deletionTimestamp" not in resource["metadata"]
    ]
