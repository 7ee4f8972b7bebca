"""The Kubernetes secret `azcreds`: its keys, adding it to a task, and reading its values in a step."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kfp_azureml.runtime.errors import CredentialsError

if TYPE_CHECKING:
    from kfp.dsl import PipelineTask

SECRET_NAME = "azcreds"  # noqa: S105 - the name of a Kubernetes object, not a secret
SUBSCRIPTION_KEY = "AZ_SUBSCRIPTION_ID"
PRINCIPAL_KEYS = ("AZ_TENANT_ID", "AZ_CLIENT_ID", "AZ_CLIENT_SECRET")
KEYS = (SUBSCRIPTION_KEY, *PRINCIPAL_KEYS)
_ON_KUBEFLOW = f"on Kubeflow in the secret {SECRET_NAME}"


@dataclass(frozen=True)
class ServicePrincipal:
    """A service principal's credentials.

    Attributes:
        tenant_id: The tenant's id.
        client_id: The application's id.
        client_secret: The application's secret.
    """

    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)


def use_azure_secret(task: PipelineTask, secret_name: str = SECRET_NAME) -> PipelineTask:
    """Set the Azure credentials of a Kubernetes secret as environment variables of a pipeline task.

    The secret is optional: without it the step fails with an error about the missing key, while the pod of a required
    secret would wait forever.

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


def service_principal(environ: Mapping[str, str] = os.environ) -> ServicePrincipal | None:
    """Return the service principal in the environment variables.

    Args:
        environ: The environment variables.

    Returns:
        The service principal; None if none of its keys is set.

    Raises:
        CredentialsError: If only some keys are set, or a value is empty or malformed; see `malformed_reason`.
    """
    if not any(key in environ for key in PRINCIPAL_KEYS):
        return None
    missing = [key for key in PRINCIPAL_KEYS if not environ.get(key)]
    if missing:
        raise CredentialsError(f"{', '.join(missing)} missing or empty: set the environment variable, {_ON_KUBEFLOW}")
    tenant, client, secret = (_validated(key, environ[key]) for key in PRINCIPAL_KEYS)
    return ServicePrincipal(tenant, client, secret)


def subscription_id(environ: Mapping[str, str] = os.environ) -> str:
    """Return the Azure subscription in the environment variables.

    Raises:
        CredentialsError: If it is missing or malformed; see `malformed_reason`.
    """
    value = environ.get(SUBSCRIPTION_KEY)
    if not value:
        raise CredentialsError(
            f"{SUBSCRIPTION_KEY} is missing or empty: set subscription_id (--subscription-id) or this environment "
            f"variable, {_ON_KUBEFLOW}"
        )
    return _validated(SUBSCRIPTION_KEY, value)


def malformed_reason(value: str) -> str:
    """Describe what is malformed in a value, such as characters that `echo`, editors and Windows add.

    Azure reports such a value as a different one, which is misleading.

    Returns:
        A predicate for the key's name, with the advice and without the value; empty if nothing is wrong.
    """
    if value.startswith("\ufeff"):
        return "begins with a byte order mark: remove the mark"
    if value != value.rstrip():
        return "ends in white space: remove the white space"
    if value != value.lstrip():
        return "begins with white space: remove the white space"
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return "is in quotation marks: remove the quotation marks"
    if not value.isprintable():
        return "contains an unprintable character: remove the line break or control character"
    return ""


def _validated(key: str, value: str) -> str:
    if wrong := malformed_reason(value):
        raise CredentialsError(f"{key} {wrong} in the environment variable, {_ON_KUBEFLOW}")
    return value
