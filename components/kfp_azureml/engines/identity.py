"""Who created a resource: the pipeline run and task, by which a retried step and the clean-up find it."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MANAGED_BY, OURS = "app.kubernetes.io/managed-by", "kfp-azureml"
RUN_LABEL = "kfp-azureml/run"
REQUEST_LABEL = "kfp-azureml/request"
_TASK, _ATTEMPT = "kfp-azureml/task", "kfp-azureml/attempt"
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_HASH_LENGTH = 8
# A pod's name is this one and `-node-0-10-abcde`; Kubernetes allows 63 characters.


@dataclass(frozen=True)
class Identity:
    """The pipeline's run and task.

    Attributes:
        pipeline_run_id: The pipeline run; empty outside a pipeline, where nothing can be found again.
        task_name: The task, with its loop item in a loop.
        request: What the task asks for, as JSON. Tasks of one name but different requests are told apart.
    """

    pipeline_run_id: str
    task_name: str
    request: Any
    _random: str = field(default_factory=lambda: uuid.uuid4().hex, compare=False)

    def name(self, prefix: str, attempt: int) -> str:
        """Return the resource's name for an attempt, counted from 0."""
        return f"{prefix}-{self.key}-{attempt}"

    def metadata(self, name: str, attempt: int) -> dict[str, Any]:
        """Return the metadata of a new resource."""
        return {
            "name": name,
            "labels": {**run_labels(self.pipeline_run_id or self._random), REQUEST_LABEL: self._hash[:32]},
            "annotations": {_TASK: self.task_name, _ATTEMPT: str(attempt)},
        }

    def owns(self, resource: Mapping[str, Any]) -> bool:
        """Tell whether an attempt of this task created a resource."""
        labels = resource["metadata"].get("labels", {})
        return (labels.get(MANAGED_BY), labels.get(REQUEST_LABEL)) == (OURS, self._hash[:32])

    @property
    def key(self) -> str:
        """A short text that tells tasks apart: part of the resource's name."""
        return self._hash[:_HASH_LENGTH]

    @property
    def _hash(self) -> str:
        request = json.dumps(self.request, sort_keys=True)
        parts = (self.pipeline_run_id or self._random, self.task_name, request)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def run_labels(pipeline_run_id: str) -> dict[str, str]:
    """Return the labels of all resources of a pipeline run."""
    is_label = _LABEL_VALUE.fullmatch(pipeline_run_id)
    run = pipeline_run_id if is_label else hashlib.sha256(pipeline_run_id.encode()).hexdigest()[:32]
    return {MANAGED_BY: OURS, RUN_LABEL: run}
