"""Accept or reject a scored model by its accuracy."""

from __future__ import annotations

from dataclasses import dataclass

from kfp_azureml.runtime.errors import PipelineError
from kfp_azureml.runtime.step import progress, report


@dataclass(frozen=True)
class Verdict:
    """The decision of the quality gate.

    Attributes:
        accepted: Whether the model may be registered.
        text: The decision in one sentence.
    """

    accepted: bool
    text: str


def judge(accuracy: float, min_accuracy: float) -> Verdict:
    """Compare a model's accuracy with the minimum, and report the verdict to the run summary.

    Args:
        accuracy: Test accuracy, 0 to 1. NaN is rejected.
        min_accuracy: Minimum accuracy to accept the model, 0 to 1.

    Raises:
        PipelineError: If `accuracy` or `min_accuracy` is not from 0 to 1.
    """
    if not 0 <= min_accuracy <= 1:
        raise PipelineError(f"min_accuracy is {min_accuracy:g}; expected a number from 0 to 1")
    if accuracy < 0 or accuracy > 1:  # NaN is rejected below
        raise PipelineError(f"accuracy is {accuracy:g}; expected a number from 0 to 1")
    accepted = accuracy >= min_accuracy
    comparison = "reaches" if accepted else "is below"
    text = f"{'Accepted' if accepted else 'Rejected'}: accuracy {accuracy:.4f} {comparison} {min_accuracy:.4f}"
    progress(text)
    report(accepted=accepted, verdict=text)
    return Verdict(accepted, text)
