"""Who started a run: the pipeline run and task, by which a retried step and the clean-up find it."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from kfp_azureml.azureml.content_hash import text_hash

TAG = "kfp-azureml"
"""Key of the tag on clusters and jobs."""

JOB_PARAMETER = "kfp_azureml_run"
"""Job parameter that receives the pipeline run, if the job declares it."""

_TOKEN_LENGTH = 64  # the longest idempotency token


@dataclass(frozen=True)
class Identity:
    """The pipeline's run and task.

    Attributes:
        pipeline_run_id: The pipeline run; empty outside a pipeline, where nothing can be found again.
        task_name: The task, with its loop item in a loop.
        request: The request without this identity. Tasks of one name but different requests are told apart.
    """

    pipeline_run_id: str
    task_name: str
    request: Any
    _random: str = field(default_factory=lambda: uuid.uuid4().hex, compare=False)

    @property
    def is_known(self) -> bool:
        """Whether a retry of the step has the same identity."""
        return bool(self.pipeline_run_id)

    def token(self, attempt: int) -> str:
        """Return the idempotency token of an attempt, counted from 0: Databricks gives one run per token."""
        parts = (self.pipeline_run_id or self._random, self.task_name, json.dumps(self.request, sort_keys=True))
        return text_hash(*parts, str(attempt))[:_TOKEN_LENGTH]

    def marked(self, run_name: str) -> str:
        """Return a run's name with the pipeline run appended, by which `is_marked` finds it."""
        return f"{run_name} {_mark(self.pipeline_run_id)}" if self.is_known else run_name


def is_marked(run_name: str, pipeline_run_id: str) -> bool:
    """Tell whether a run's name says that a pipeline run started it."""
    return run_name.endswith(_mark(pipeline_run_id))


def _mark(pipeline_run_id: str) -> str:
    return f"[{TAG} {pipeline_run_id}]"
