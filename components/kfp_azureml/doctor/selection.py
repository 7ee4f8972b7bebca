"""Choose the checks: those that were asked for, or those of what is configured."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kfp_azureml.azcreds import KEYS
from kfp_azureml.azureml.workspace_config import find_config
from kfp_azureml.kubeflow.cluster import has_cluster
from kfp_azureml.runtime.checks import Check, failed, skipped

if TYPE_CHECKING:
    from kfp_azureml.azureml.checks.run_settings import RunSettings
    from kfp_azureml.doctor.kubeflow.wanted import KubeflowSettings

_IDENTITIES = ("AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE", "IDENTITY_ENDPOINT", "MSI_ENDPOINT")
_RETRIES = {"retry_total": 1, "retry_backoff_max": 2}
_NO_AZURE = f"not configured: none of {', '.join(KEYS)} is set and no workspace is named (--azure checks it anyway)"
_NO_KUBEFLOW = "not configured: no kubeconfig and no KF_PIPELINES_ENDPOINT (--kubeflow checks it anyway)"
_INSTALL_AZURE = "pip install 'kfp-azureml[azure]', or make setup"


@dataclass(frozen=True)
class Areas:
    """What to check; with none of the three, what is configured.

    Attributes:
        azure: Azure, with the credentials and workspace.
        kubeflow: The cluster and Kubeflow.
        local: This machine.
    """

    azure: bool = False
    kubeflow: bool = False
    local: bool = False

    @property
    def is_default(self) -> bool:
        """Whether nothing was asked for."""
        return not (self.azure or self.kubeflow or self.local)


def select_checks(
    areas: Areas, run: RunSettings, kubeflow: KubeflowSettings, runs: Path, environ: Mapping[str, str] = os.environ
) -> list[Check]:
    """Return the checks, in the order of their needs.

    Args:
        areas: What to check.
        run: A run's parameters in Azure.
        kubeflow: Where Kubeflow is.
        runs: Parent folder of local runs.
        environ: The environment variables.
    """
    from kfp_azureml.azureml.checks.network import network_checks

    checks = list(network_checks(environ))
    if areas.azure or (areas.is_default and _has_azure(run, environ)):
        checks += _azure(run, environ)
    elif areas.is_default:
        checks.append(Check("azure", lambda _: skipped(_NO_AZURE)))
    if areas.kubeflow or (areas.is_default and _has_kubeflow(kubeflow, environ)):
        checks += _kubeflow(kubeflow)
    elif areas.is_default:
        checks.append(Check("kubeflow", lambda _: skipped(_NO_KUBEFLOW)))
    if areas.local or areas.is_default:
        checks += _local(runs, environ)
    return checks


def _azure(run: RunSettings, environ: Mapping[str, str]) -> list[Check]:
    try:
        from kfp_azureml.azureml.checks.azure_checks import azure_checks
    except ModuleNotFoundError as error:
        missing = failed(f"the package {error.name} is not installed", _INSTALL_AZURE)
        return [Check("azure", lambda _: missing)]
    return list(azure_checks(run, _RETRIES, environ))


def _kubeflow(settings: KubeflowSettings) -> list[Check]:
    from kfp_azureml.doctor.kubeflow.kubeflow_checks import kubeflow_checks

    return list(kubeflow_checks(settings))


def _local(runs: Path, environ: Mapping[str, str]) -> list[Check]:
    from kfp_azureml.doctor.local.local_checks import local_checks

    return list(local_checks(runs, environ))


def _has_azure(run: RunSettings, environ: Mapping[str, str]) -> bool:
    named = any(name in environ for name in (*KEYS, *_IDENTITIES))
    asked_for = run.model_name or any(run.workspace) or run.deploys
    return named or bool(asked_for) or find_config() is not None


def _has_kubeflow(settings: KubeflowSettings, environ: Mapping[str, str]) -> bool:
    asked_for = any(vars(settings).values())  # an option that would have no effect otherwise
    return asked_for or bool(settings.address) or has_cluster(environ)
