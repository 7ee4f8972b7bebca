"""What the Azure checks need to know about a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kfp_azureml.azureml.workspace_name import WorkspaceName

DEFAULT_INSTANCE_TYPE = "Standard_DS3_v2"  # that of aml_deploy_model


@dataclass(frozen=True)
class RunSettings:
    """A run's parameters in Azure; those of aml_deploy_model of the same names.

    Attributes:
        workspace: The workspace; empty names are read from its config.json.
        model_name: Name to register the model under; may be empty.
        endpoint_name: Endpoint to deploy to; empty if it is derived from the model.
        instance_type: VM size; empty selects the default.
        instance_count: Number of instances; 0 keeps that of the live deployment, or 1.
        compute: Attached Kubernetes compute; empty for a managed endpoint.
        strategy: Rollout strategy; may be empty.
        traffic_steps: Traffic of the new deployment in percent, one value per step; may be empty.
    """

    workspace: WorkspaceName
    model_name: str = ""
    endpoint_name: str = ""
    instance_type: str = ""
    instance_count: int = 0
    compute: str = ""
    strategy: str = ""
    traffic_steps: Sequence[float] = field(default_factory=tuple)

    @property
    def vm_size(self) -> str:
        """The VM size of a managed deployment."""
        return self.instance_type or DEFAULT_INSTANCE_TYPE
