"""Check that the computes of a pipeline job exist before it is submitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfp_azureml.azureml_pipelines.placement import SERVERLESS, Placement
from kfp_azureml.azureml_pipelines.sdk_error_messages import sdk_errors
from kfp_azureml.runtime.errors import PipelineError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

_UNUSABLE = ("Failed", "Deleting", "Canceled")


def check_computes(client: MLClient, placement: Placement) -> None:
    """Check that the workspace has the computes of a placement.

    Raises:
        PipelineError: If computes are missing or unusable.
    """
    if not placement.named_computes:
        return
    with sdk_errors("listing the computes"):
        states = {compute.name: str(compute.provisioning_state) for compute in client.compute.list()}
    faults = [_fault(name, states) for name in placement.named_computes]
    missing = [fault for fault in faults if fault]
    if missing:
        there = f"it has {', '.join(sorted(states))}" if states else "it has none"
        raise PipelineError(
            f"{'; '.join(missing)} in workspace {client.workspace_name} ({there}): "
            f"set another with --compute, or use --compute {SERVERLESS}"
        )


def _fault(name: str, states: dict[str, str]) -> str:
    if name not in states:
        return f"no compute {name}"
    return f"compute {name} is {states[name]}" if states[name] in _UNUSABLE else ""
