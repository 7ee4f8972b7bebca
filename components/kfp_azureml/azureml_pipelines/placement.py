"""The computes of a pipeline job's steps: a compute of the workspace or serverless machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kfp_azureml.runtime.errors import PipelineError

SERVERLESS = "serverless"


@dataclass(frozen=True)
class Placement:
    """Computes by step; the key "" stands for all other steps.

    Attributes:
        computes: A compute of the workspace, or `serverless`.
        instance_types: Machine types for serverless compute, such as `Standard_DS3_v2`.
        instance_counts: Number of machines for serverless compute.
    """

    computes: Mapping[str, str] = field(default_factory=dict)
    instance_types: Mapping[str, str] = field(default_factory=dict)
    instance_counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def default_compute(self) -> str:
        """The compute of steps without their own."""
        return self.computes.get("", SERVERLESS)

    @property
    def named_computes(self) -> tuple[str, ...]:
        """The computes that have to exist in the workspace."""
        return tuple(
            dict.fromkeys(name for name in (self.default_compute, *self.computes.values()) if name != SERVERLESS)
        )

    def check_steps(self, steps: Iterable[str]) -> None:
        """Check the placement against a pipeline's steps.

        Raises:
            PipelineError: If it names an unknown step, or machines for a compute that is not serverless.
        """
        known = set(steps)
        for step in {*self.computes, *self.instance_types, *self.instance_counts} - {""} - known:
            raise PipelineError(f"compute of {step}: unknown step; the pipeline has {', '.join(sorted(known))}")
        for step in {*self.instance_types, *self.instance_counts}:
            compute = self.computes.get(step, self.default_compute)
            if compute != SERVERLESS:
                raise PipelineError(
                    f"instance type of {step or 'the steps'}: compute {compute} has its own machines; "
                    f"instance types need --compute {f'{step}=' if step else ''}{SERVERLESS}"
                )

    def of(self, step: str) -> dict[str, Any]:
        """Return a step's settings in the pipeline job, without defaults."""
        said: dict[str, Any] = {}
        if step in self.computes:
            said["compute"] = azureml_compute(self.computes[step])
        if self.computes.get(step, self.default_compute) == SERVERLESS:
            resources = {
                "instance_type": self.instance_types.get(step, self.instance_types.get("")),
                "instance_count": self.instance_counts.get(step, self.instance_counts.get("")),
            }
            resources = {key: value for key, value in resources.items() if value}
            if resources:
                said["resources"] = resources
        return said


def azureml_compute(name: str) -> str:
    """Return a compute's name in a pipeline job."""
    return name if name == SERVERLESS else f"azureml:{name}"


def parse_placement(
    computes: Iterable[str], instance_types: Iterable[str] = (), instance_counts: Iterable[str] = ()
) -> Placement:
    """Parse option values: NAME for all steps, STEP=NAME for one.

    Raises:
        PipelineError: If a count is not a positive integer.
    """
    counts = {}
    for step, text in _by_step(instance_counts).items():
        if not text.isdecimal() or int(text) < 1:
            raise PipelineError(f"instance count {text!r}: expected an integer of at least 1")
        counts[step] = int(text)
    return Placement(_by_step(computes), _by_step(instance_types), counts)


def _by_step(typed: Iterable[str]) -> dict[str, str]:
    pairs = (text.rpartition("=") for text in typed)
    return {step: name for step, _, name in pairs}
