"""Run work as a Kubernetes resource to its end: create or join, follow, fail with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kfp_azureml.engines.api import Api
from kfp_azureml.engines.deletion import delete
from kfp_azureml.engines.follow import LimitError, Limits, follow
from kfp_azureml.engines.identity import Identity
from kfp_azureml.engines.kinds import Kind, Phase
from kfp_azureml.engines.start_or_join import start_or_join
from kfp_azureml.runtime.cancellation import ended_on_exit
from kfp_azureml.runtime.errors import KubeflowError


def run_to_end(
    api: Api,
    kind: Kind,
    spec: Mapping[str, Any],
    identity: Identity,
    limits: Limits,
    owners: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Create or join a resource, and wait for the end of its work.

    A resource whose work has succeeded stays, so that a retry of the step joins it, until the workflow of the pipeline
    run is deleted.

    Args:
        api: The cluster.
        kind: The kind of resource.
        spec: Its spec.
        identity: The pipeline's run and task.
        limits: Limits for waiting and running.
        owners: References to resources with which Kubernetes deletes the new one.

    Returns:
        The resource's name.

    Raises:
        KubeflowError: If it is refused, fails, or passes a limit; then it is deleted.
        CancelledError: If the step is stopped. The resource is deleted, or the message says how to.
    """
    name = str(start_or_join(api, kind, spec, identity, owners)["metadata"]["name"])
    with ended_on_exit(lambda: delete(api, kind, name), LimitError):
        state = follow(api, kind, name, limits)
    if state.phase is Phase.FAILED:
        look = f"see kubectl describe {kind.plural} {name} --namespace {api.namespace}"
        raise KubeflowError(f"{kind.name} {api.namespace}/{name} failed: {state.message or look}")
    return name
