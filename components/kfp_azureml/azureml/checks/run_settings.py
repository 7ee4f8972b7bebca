"""What the Azure checks need to know about a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from kfp_azureml.azureml.workspace_name import WorkspaceName

DEFAULT_INSTANCE_TYPE = "Standard_DS3_v2"  # that of aml_deploy_model


class Purpose(Enum):
    """What a run does in Azure, and so what it needs there."""

    REGISTER = "register a model"
    DEPLOY = "deploy it to an endpoint"
    JOBS = "submit Azure ML jobs"
    DATABRICKS = "run work on Databricks"


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
        everything: Whether to check what any run of the suite needs, not only this one.
    """

    workspace: WorkspaceName
    model_name: str = ""
    endpoint_name: str = ""
    instance_type: str = ""
    instance_count: int = 0
    compute: str = ""
    strategy: str = ""
    traffic_steps: Sequence[float] = field(default_factory=tuple)
    everything: bool = False

    @property
    def purposes(self) -> frozenset[Purpose]:
        """What the run does in Azure."""
        if self.everything:
            return frozenset(Purpose)
        wanted = ((Purpose.REGISTER, self.model_name), (Purpose.DEPLOY, self.deploys))
        return frozenset(purpose for purpose, does in wanted if does)

    @property
    def deploys(self) -> bool:
        """Whether one of the parameters of the deployment is set."""
        return bool(self.endpoint_name or self.instance_type or self.instance_count or self.compute or self.strategy)

    @property
    def vm_size(self) -> str:
        """The VM size of a managed deployment."""
        return self.instance_type or DEFAULT_INSTANCE_TYPE
