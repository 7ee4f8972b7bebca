"""The Kubernetes secret `databricks`, adding it to a task, and Entra's scope for Databricks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kfp.dsl import PipelineTask

SECRET_NAME = "databricks"  # noqa: S105 - the name of a Kubernetes object, not a secret
HOST_KEY = "DATABRICKS_HOST"
TOKEN_KEY = "DATABRICKS_TOKEN"  # noqa: S105 - the name of a key
RESOURCE_ID_KEY = "DATABRICKS_AZURE_RESOURCE_ID"
ENTRA_SCOPE = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default"
"""Databricks' application in Microsoft Entra, for tokens: the same in each tenant and Azure cloud."""
KEYS = (HOST_KEY, TOKEN_KEY, RESOURCE_ID_KEY)


def use_databricks_secret(task: PipelineTask, secret_name: str = SECRET_NAME) -> PipelineTask:
    """Set the keys of the secret `databricks` as environment variables of a pipeline task.

    The secret and each of its keys are optional: without DATABRICKS_TOKEN a step signs in with its Azure identity
    (`use_azure_secret` or workload identity), without DATABRICKS_HOST it needs the argument `databricks_host`.

    Args:
        task: A task of a KFP pipeline.
        secret_name: The secret's name in the run's namespace, or a pipeline parameter. Its keys are `KEYS`.

    Returns:
        The same task, for chaining.
    """
    from kfp import kubernetes

    kubernetes.use_secret_as_env(
        task, secret_name=secret_name, secret_key_to_env={key: key for key in KEYS}, optional=True
    )
    return task
