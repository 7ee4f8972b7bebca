"""One rollout: what is deployed, how it gets traffic, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kfp_azureml.azureml.rollout.desired_state import DesiredState
from kfp_azureml.azureml.rollout.strategy import Strategy
from kfp_azureml.azureml.waiting import Deadline

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


@dataclass(frozen=True)
class Rollout:
    """One rollout of a deployment to an endpoint.

    Attributes:
        client: A client of the workspace.
        desired: The deployment to bring live.
        strategy: How it gets traffic.
        deadline: When to give up.
    """

    client: MLClient
    desired: DesiredState
    strategy: Strategy
    deadline: Deadline
