"""Check everything that a run needs in Azure, with the checks of `kfp-azureml doctor`."""

from __future__ import annotations

import logging

from kfp_azureml.azureml.checks.run_settings import RunSettings
from kfp_azureml.models.live_model import NONE_LIVE
from kfp_azureml.runtime.checks import State, run_checks
from kfp_azureml.runtime.errors import WorkspaceError
from kfp_azureml.runtime.step import progress

NAME = "aml_preflight"
CHECK_SECONDS = 120.0
"""Timeout of one check in seconds: transient errors are retried."""
TOTAL_SECONDS = 300.0
"""Timeout of all checks in seconds."""

logger = logging.getLogger(__name__)


def preflight(settings: RunSettings) -> None:
    """Run the checks; log each finding in a line of its own.

    Args:
        settings: The run.

    Raises:
        WorkspaceError: With all failed checks, if any failed.
    """
    from kfp_azureml.azureml.checks.azure_checks import azure_checks
    from kfp_azureml.azureml.checks.network import network_checks

    checks = [*network_checks(), *azure_checks(settings)]
    results = list(run_checks(checks, CHECK_SECONDS, TOTAL_SECONDS))
    for result in results:
        if result.state is State.WARNING:
            logger.warning("%s: %s; to mend it: %s", result.name, result.message, result.mend)
        elif result.state is State.FAILED:
            logger.error("%s: %s; to mend it: %s", result.name, result.message, result.mend)
    failed = [result for result in results if result.state is State.FAILED]
    if failed:
        faults = "; ".join(f"{result.name}: {result.message} (mend: {result.mend})" for result in failed)
        raise WorkspaceError(f"{len(failed)} of {len(results)} checks failed: {faults}")
    (workspace,) = (result for result in results if result.name == "azure.workspace")
    progress(f"{workspace.message}; {sum(result.state is State.OK for result in results)} checks passed")


def find_live(settings: RunSettings) -> str:
    """Return the model version that the run's endpoint serves; see `live_model.find_live_model`.

    Raises:
        DeploymentError: If no endpoint is named, or it cannot be read.
    """
    from kfp_azureml.azureml.rollout.live_model import find_live_model
    from kfp_azureml.azureml.workspace import workspace_client

    found = find_live_model(workspace_client(*settings.workspace), settings.endpoint_name, settings.model_name)
    progress("no model is live to compare with" if found == NONE_LIVE else f"live model to compare with: {found}")
    return found


def cache_version(data_version: str, run_id: str) -> str:
    """Return the version that prep is cached under: `data_version`, or else the unique run id.

    The content of a URI can change unnoticed, so only a run that names the data's version may reuse a cached result.
    """
    return data_version or run_id
