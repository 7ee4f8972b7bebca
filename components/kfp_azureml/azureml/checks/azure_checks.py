"""The checks of Azure, in order: what each needs of the others, and how an error is mended."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from kfp_azureml.azureml.checks.databricks import check_databricks_host, check_databricks_token
from kfp_azureml.azureml.checks.endpoint import (
    check_endpoint,
    check_endpoint_name,
    check_model_name,
    check_rollout,
    check_scoring_host,
)
from kfp_azureml.azureml.checks.hosts import LOGIN_HOST, MANAGEMENT_HOST, check_clock, check_host
from kfp_azureml.azureml.checks.machines import check_compute, check_quota, check_vm_size
from kfp_azureml.azureml.checks.permissions import PERMISSIONS, Permission, check_permission, check_permissions
from kfp_azureml.azureml.checks.run_settings import Purpose, RunSettings
from kfp_azureml.azureml.checks.sign_in import assignee, check_credentials, check_sign_in
from kfp_azureml.azureml.checks.storage import check_datastore, check_storage
from kfp_azureml.azureml.checks.workspace import (
    DATA_SCIENTIST,
    api_host,
    check_place,
    check_registry,
    check_workspace,
    role_command,
)
from kfp_azureml.azureml.retries import SDK_RETRIES
from kfp_azureml.databricks_secret import HOST_KEY, TOKEN_KEY
from kfp_azureml.runtime.checks import Check, Outcome

Found = Mapping[str, Any]

_NETWORK = ("network.proxy", "network.ca-bundle")
_WORKSPACE = "azure.workspace"
_TEST = "curl --verbose https://management.azure.com/"
_SET_WORKSPACE = (
    "--param resource_group=GROUP --param workspace=WORKSPACE (or download config.json from Azure ML studio), and "
    'export AZ_SUBSCRIPTION_ID="$(az account show --query id --output tsv)"'
)


def azure_checks(
    settings: RunSettings, retries: Mapping[str, Any] = SDK_RETRIES, environ: Mapping[str, str] = os.environ
) -> Iterator[Check]:
    """Yield the checks of what a run needs in Azure.

    Args:
        settings: The run.
        retries: Settings of azure-core's RetryPolicy for requests to Azure Resource Manager.
        environ: The environment variables.
    """
    who = assignee(environ)
    yield Check("azure.model-name", lambda _: check_model_name(settings.model_name), "--param model_name=NAME")
    yield Check(
        "azure.endpoint-name", lambda _: check_endpoint_name(settings.endpoint_name), "--param endpoint_name=NAME"
    )
    yield Check("azure.rollout", lambda _: check_rollout(settings), "--param strategy=blue-green")
    yield from _access(settings, retries, environ, who)
    yield Check("azure.permissions", lambda found: check_permissions(found[_WORKSPACE]), _TEST, needs=(_WORKSPACE,))
    for permission in PERMISSIONS:
        if permission.purpose in settings.purposes:
            yield _permission_check(permission, who)
    if Purpose.REGISTER in settings.purposes:
        yield from _storage(who)
    if Purpose.DEPLOY in settings.purposes:
        yield from _deployment(settings)
    if Purpose.JOBS in settings.purposes:
        yield Check("azure.host.api", lambda found: check_host(api_host(found[_WORKSPACE])), needs=(_WORKSPACE,))
    if Purpose.DATABRICKS in settings.purposes and HOST_KEY in environ:
        yield from _databricks(environ)


def _access(settings: RunSettings, retries: Mapping[str, Any], environ: Mapping[str, str], who: str) -> Iterator[Check]:
    """Yield the checks from the credentials to the workspace."""
    yield Check(
        "azure.credentials",
        lambda _: check_credentials(environ),
        'kfp-azureml azcreds --check, or az login; docs/aks.md, "5a" and "5b"',
    )
    yield Check(
        "azure.workspace-name", lambda _: check_place(settings.workspace), _SET_WORKSPACE, needs=("azure.credentials",)
    )
    yield Check("azure.host.management", lambda _: check_host(MANAGEMENT_HOST), needs=_NETWORK)
    yield Check("azure.host.login", lambda _: check_host(LOGIN_HOST), needs=_NETWORK)
    yield Check(
        "azure.clock", lambda found: check_clock(found["azure.host.management"]), needs=("azure.host.management",)
    )
    yield Check(
        "azure.sign-in",
        lambda found: check_sign_in(found["azure.credentials"], retries, environ),
        needs=("azure.credentials", "azure.host.login", "azure.clock"),
    )
    yield Check(
        _WORKSPACE,
        lambda found: check_workspace(found["azure.sign-in"], found["azure.workspace-name"], who),
        _TEST,
        needs=("azure.sign-in", "azure.workspace-name"),
    )


def _storage(who: str) -> Iterator[Check]:
    """Yield the checks of the upload of a model."""
    yield Check(
        "azure.datastore",
        lambda found: check_datastore(found[_WORKSPACE], found["azure.credentials"]),
        role_command(who, DATA_SCIENTIST, "WORKSPACE_ID"),
        needs=(_WORKSPACE, "azure.credentials", "azure.permission.datastores"),
    )
    yield Check(
        "azure.host.storage",
        lambda found: check_host(str(found["azure.datastore"].primary_hostname)),
        needs=("azure.datastore",),
    )
    yield Check(
        "azure.storage",
        lambda found: check_storage(found["azure.datastore"], found[_WORKSPACE], who),
        _TEST,
        needs=(_WORKSPACE, "azure.datastore", "azure.host.storage"),
    )


def _deployment(settings: RunSettings) -> Iterator[Check]:
    """Yield the checks of the endpoint, its machines and the images of its environments."""
    at = _WORKSPACE
    yield Check("azure.registry", lambda found: check_registry(found[at]), _TEST, needs=(at,))
    yield Check(
        "azure.endpoint",
        lambda found: check_endpoint(found[at], settings),
        _TEST,
        needs=(
            at,
            "azure.endpoint-name",
            "azure.model-name",
            "azure.permission.endpoints",
            "azure.permission.deployments",
        ),
    )
    yield Check(
        "azure.host.scoring", lambda found: check_scoring_host(found["azure.endpoint"]), needs=("azure.endpoint",)
    )
    if settings.compute:
        yield Check("azure.compute", lambda found: check_compute(found[at], settings.compute), _TEST, needs=(at,))
        return
    yield Check("azure.vm-size", lambda found: check_vm_size(found[at], settings.vm_size), _TEST, needs=(at,))
    yield Check(
        "azure.quota",
        lambda found: _check_quota(found, settings),
        _TEST,
        needs=(at, "azure.vm-size"),
        after=("azure.endpoint",),
    )


def _databricks(environ: Mapping[str, str]) -> Iterator[Check]:
    yield Check("databricks.host", lambda _: check_databricks_host(environ), needs=_NETWORK)
    yield Check(
        "databricks.token",
        lambda found: check_databricks_token(found["databricks.host"], found.get("azure.credentials"), environ),
        needs=("databricks.host", *(() if environ.get(TOKEN_KEY) else ("azure.credentials", "azure.sign-in"))),
    )


def _permission_check(permission: Permission, who: str) -> Check:
    needs = ("azure.permissions", _WORKSPACE)
    return Check(
        f"azure.permission.{permission.name}",
        lambda found: check_permission(found[needs[0]], permission, found[needs[1]], who),
        needs=needs,
    )


def _check_quota(found: Found, settings: RunSettings) -> Outcome:
    live = found.get("azure.endpoint")
    instances = settings.instance_count or (live.instances if live else 0) or 1
    return check_quota(found[_WORKSPACE], found["azure.vm-size"], instances)
