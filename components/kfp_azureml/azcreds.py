"""The Kubernetes secret `azcreds`: its keys, how a pipeline hands them to a task, and how a step reads them."""

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


@dataclass(frozen=True)
class ServicePrincipal:
    """An application's identity in Azure.

    Attributes:
        tenant_id: The tenant it belongs to.
        client_id: The application.
        client_secret: Its secret.
    """

    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)


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


def service_principal(environ: Mapping[str, str] = os.environ) -> ServicePrincipal | None:
    """Read the service principal that a step was given.

    Args:
        environ: The environment variables.

    Returns:
        The service principal; None if the environment holds none of its keys.

    Raises:
        CredentialsError: If it holds some of them only, or one that is empty or damaged; see `flaw`.
    """
    if not any(key in environ for key in PRINCIPAL_KEYS):
        return None
    missing = [key for key in PRINCIPAL_KEYS if not environ.get(key)]
    if missing:
        raise CredentialsError(f"{', '.join(missing)} missing or empty: add it to the secret {SECRET_NAME}")
    tenant, client, secret = (_sound(key, environ[key]) for key in PRINCIPAL_KEYS)
    return ServicePrincipal(tenant, client, secret)


def subscription_id(environ: Mapping[str, str] = os.environ) -> str:
    """Read the Azure subscription that a step was given.

    Raises:
        CredentialsError: If there is none, or it is damaged; see `flaw`.
    """
    value = environ.get(SUBSCRIPTION_KEY)
    if not value:
        raise CredentialsError(
            f"{SUBSCRIPTION_KEY} is missing or empty: add it to the secret {SECRET_NAME}, "
            "or give the parameter subscription_id"
        )
    return _sound(SUBSCRIPTION_KEY, value)


def flaw(value: str) -> str:
    """Say what is wrong with a value as text: what `echo`, editors and Windows put around it.

    Azure answers such a value as if it were another one, which sends people after the wrong fault.

    Returns:
        What goes on after the key's name, and shows nothing of the value; empty if nothing is wrong.
    """
    if value.startswith("\ufeff"):
        return "begins with a byte order mark"
    if value != value.rstrip():
        return "ends in white space"
    if value != value.lstrip():
        return "begins with white space"
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return "is in quotation marks"
    if not value.isprintable():
        return "holds a line break or another character that cannot be printed"
    return ""


def _sound(key: str, value: str) -> str:
    if wrong := flaw(value):
        raise CredentialsError(f"{key} {wrong}: remove it in the secret {SECRET_NAME}")
    return value
