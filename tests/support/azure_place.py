"""The workspace that the tests run in, a real one or a local one."""

from __future__ import annotations

from dataclasses import dataclass

from kfp_azureml.images import REGISTRY, TAG


@dataclass(frozen=True)
class Place:
    """Names and settings of the workspace.

    Attributes:
        names: Resource group, workspace and subscription, as the steps take them.
        prefix: Prefix of the names of created resources.
        registry: Registry of the images.
        tag: Tag of the images.
        compute: Compute of pipeline jobs.
        instance_type: Machines of endpoints and serverless jobs.
    """

    names: dict[str, str]
    prefix: str
    registry: str = REGISTRY
    tag: str = TAG
    compute: str = "serverless"
    instance_type: str = "Standard_DS3_v2"
