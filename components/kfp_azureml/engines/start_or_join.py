"""Create a resource, or join the one that an earlier attempt of the step created."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kfp_azureml.engines.api import Api
from kfp_azureml.engines.api_errors import ApiError
from kfp_azureml.engines.deletion import delete
from kfp_azureml.engines.identity import Identity
from kfp_azureml.engines.kinds import Kind, Phase, Resource
from kfp_azureml.engines.refusals import refusals
from kfp_azureml.runtime.errors import CancelledError, KubeflowError
from kfp_azureml.runtime.step import progress

ATTEMPTS = 100


def start_or_join(
    api: Api, kind: Kind, spec: Mapping[str, Any], identity: Identity, owners: Sequence[Mapping[str, Any]] = ()
) -> Resource:
    """Create a resource, unless an earlier attempt of the step did and its work did not fail.

    Its name follows from the pipeline run, the task and the number of the attempt, so one that exists is refused by the
    API itself (409) and joined. A failed one stays for its logs; the next attempt has the next name.

    Args:
        api: The cluster.
        kind: The kind of resource.
        spec: Its spec.
        identity: The pipeline's run and task.
        owners: References to resources with which Kubernetes deletes the new one.

    Returns:
        The resource as it is now.

    Raises:
        KubeflowError: If it cannot be created, or the name belongs to somebody else's.
        CancelledError: If the step is stopped; what it created is deleted.
    """
    for attempt in range(ATTEMPTS):
        name = identity.name(kind.name_prefix, attempt)
        resource = {
            "apiVersion": f"{kind.group}/{kind.version}",
            "kind": kind.name,
            "metadata": {**identity.metadata(name, attempt), "ownerReferences": list(owners)},
            "spec": dict(spec),
        }
        found = _create_or_read(api, kind, name, resource, identity)
        if found is not None:
            return found
    raise KubeflowError(f"{kind.name} {name}: {ATTEMPTS} earlier attempts failed: start a new pipeline run")


def _create_or_read(
    api: Api, kind: Kind, name: str, resource: Mapping[str, Any], identity: Identity
) -> Resource | None:
    """Return the new or the joined resource; None if the one of this attempt failed or is being deleted."""
    try:
        with refusals(api, kind, "create", name):
            try:
                created: Resource = api.create(kind.path(api.namespace), resource)
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise
                return _joined(api, kind, name, identity)
    except CancelledError as stopped:
        # The request may have reached the server.
        raise CancelledError(
            f"{stopped}: {delete(api, kind, name, identity)}", interactive=stopped.interactive
        ) from None
    progress(f"{kind.name} {api.namespace}/{name}: created")
    return created


def _joined(api: Api, kind: Kind, name: str, identity: Identity) -> Resource | None:
    what = f"{kind.name} {api.namespace}/{name}"
    try:
        found: Resource = api.get(kind.path(api.namespace, name))
    except ApiError as error:
        if error.status == 404:  # deleted meanwhile
            return None
        raise
    if not identity.owns(found):
        raise KubeflowError(
            f"{what} exists, but this step did not create it (its labels differ): "
            f"delete it, kubectl delete {kind.plural} {name} --namespace {api.namespace}, or start a new pipeline run"
        )
    state = kind.state(found)
    if state.phase is Phase.FAILED or "deletionTimestamp" in found["metadata"]:
        progress(f"{what}: of an earlier attempt of this step, which failed: running again")
        return None
    progress(f"{what}: created by an earlier attempt of this step: joining it, {state.phase}")
    return found
