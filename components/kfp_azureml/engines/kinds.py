"""A kind of Kubernetes resource that runs work, and the state of its work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Resource = Mapping[str, Any]
"""A resource as the API returns it."""


class Phase(StrEnum):
    """How far a resource's work is."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True)
class State:
    """The state of a resource's work.

    Attributes:
        phase: The phase.
        message: Details, such as the reason of a failure; may be empty.
    """

    phase: Phase
    message: str = ""

    @property
    def is_over(self) -> bool:
        """Whether the work has ended."""
        return self.phase in (Phase.SUCCEEDED, Phase.FAILED)


@dataclass(frozen=True)
class Kind:
    """A kind of resource.

    Attributes:
        name: Its name, such as `TrainJob`.
        group: The API group.
        version: The API version.
        plural: The name in URLs and rights, such as `trainjobs`.
        operator: What has to be installed, such as `Kubeflow Trainer 2`.
        docs: Where the installation is described.
        role: The manifest with the rights.
        name_prefix: How our resources' names begin.
        pod_label: Label of the pods whose value is the resource's name.
        index_label: Label of the pods with the worker's number; empty if there is none.
        container: The container with the work.
        state: Reads the state of a resource.
    """

    name: str
    group: str
    version: str
    plural: str
    operator: str
    docs: str
    role: str
    name_prefix: str
    pod_label: str
    index_label: str
    container: str
    state: Callable[[Resource], State]

    @property
    def api_path(self) -> str:
        """Path of the API group, which any client may read."""
        return f"/apis/{self.group}/{self.version}"

    def path(self, namespace: str, name: str = "") -> str:
        """Return the path of a resource, or of all in a namespace."""
        collection = f"{self.api_path}/namespaces/{namespace}/{self.plural}"
        return f"{collection}/{name}" if name else collection

    def worker(self, pod: Resource) -> str:
        """Return the name of a pod for messages, such as `worker 1`."""
        about = pod["metadata"]
        index = about.get("labels", {}).get(self.index_label, "")
        return f"worker {index}" if index else str(about["name"])
