"""What the tests of a workspace, a real one or a local one, have to know of it."""

from __future__ import annotations

from dataclasses import dataclass

from kfp_azureml.images import REGISTRY, TAG


@dataclass(frozen=True)
class Place:
    """Where the tests run.

    Attributes:
        names: The workspace's names, as the steps take them.
        prefix: What the names of all that is made begin with.
        registry: Where the images are.
        tag: Their tag.
        compute: Where pipeline jobs run.
        instance_type: The machines of endpoints and of serverless jobs.
    """

    names: dict[str, str]
    prefix: str
    registry: str = REGISTRY
    tag: str = TAG
    compute: str = "serverless"
    instance_type: str = "Standard_DS3_v2"
