"""GPU settings of the train step."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from kfp_azureml.runtime.errors import PipelineError

# Kubernetes names of resources, labels and taints: DOMAIN/NAME; labels and taints may omit the domain.
_NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_DOMAIN = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"
_KEY = re.compile(rf"({_DOMAIN}/)?{_NAME}")
_VALUE = re.compile(rf"({_NAME})?")
_TYPE = re.compile(rf"{_DOMAIN}/{_NAME}")
_TAINT = re.compile(
    rf"(?P<key>({_DOMAIN}/)?{_NAME})(=(?P<value>({_NAME})?))?:(?P<effect>NoSchedule|PreferNoSchedule|NoExecute)"
)


@dataclass(frozen=True)
class Taint:
    """A taint of the nodes, which the step tolerates.

    Attributes:
        key: Its key, such as `sku`.
        effect: NoSchedule, PreferNoSchedule or NoExecute.
        value: Its value; None tolerates any.
    """

    key: str
    effect: str
    value: str | None = None

    @classmethod
    def parse(cls, text: str) -> Taint:
        """Parse a taint in the format of `kubectl taint` and `az aks nodepool add --node-taints`.

        Args:
            text: `KEY=VALUE:EFFECT` or `KEY:EFFECT`.

        Raises:
            PipelineError: If the format is wrong.
        """
        match = _TAINT.fullmatch(text)
        if not match:
            raise PipelineError(f"GPU taint {text!r}: expected KEY=VALUE:EFFECT, such as sku=gpu:NoSchedule")
        return cls(match["key"], match["effect"], match["value"])


@dataclass(frozen=True)
class Gpu:
    """GPUs for a step.

    Attributes:
        count: Number of GPUs.
        type: Resource name of the nodes' device plugin, such as `nvidia.com/gpu`.
        node_selector: Labels of the nodes, if the resource does not determine them.
        taints: Taints to tolerate. The default is that of Azure's guide to GPU node pools; tolerating a taint that no
            node has does no harm.
    """

    count: int = 1
    type: str = "nvidia.com/gpu"
    node_selector: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = (Taint("sku", "NoSchedule", "gpu"),)

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            PipelineError: If Kubernetes would reject them.
        """
        if self.count < 1:
            raise PipelineError(f"GPU count {self.count}: expected 1 or more")
        if not _TYPE.fullmatch(self.type):
            raise PipelineError(f"GPU type {self.type!r}: expected DOMAIN/NAME, such as nvidia.com/gpu")
        for key, value in self.node_selector.items():
            if not (_KEY.fullmatch(key) and _VALUE.fullmatch(value)):
                raise PipelineError(f"GPU node selector {key}={value}: expected LABEL=VALUE, such as agentpool=gpu")
