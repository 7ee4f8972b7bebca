"""The Kubernetes secret `azcreds`: which keys it holds, and how a pipeline hands them to a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kfp.dsl import PipelineTask

SECRET_NAME = "azcreds"  # noqa: S105 - the name of a Kubernetes object, not a secret
KEYS = ("AZ_SUBSCRIPTION_ID", "AZ_TENANT_ID", "AZ_CLIENT_ID", "AZ_CLIENT_SECRET")


def use_azure_secret(task: PipelineTask, secret_name: str = SECRET_NAME) -> PipelineTask:
    """Give a pipeline task the Azure credentials of a Kubernetes secret, as environment variables.

    The secret is mounted as optional: without it the pod starts all the same, and the step says in one line which
    key is missing, instead of a pod that waits for ever.

    Args:
        task: A task of a KFP pipeline.
        secret_name: The secret's name in the namespace of the run; a pipeline parameter will do. It holds the keys
            of `KEYS`.

    Returns:
        The same task, so that calls can be chained.
    """
    from kfp import kubernetes

    kubernetes.use_secret_as_env(
        task, secret_name=secret_name, secret_key_to_env={key: key for key in KEYS}, optional=True
    )
    return task
