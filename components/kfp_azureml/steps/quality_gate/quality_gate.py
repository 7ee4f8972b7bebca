"""The decision between score and register: good enough, or reported as rejected."""

from __future__ import annotations

from dataclasses import dataclass

from kfp_azureml.runtime.errors import PipelineError
from kfp_azureml.runtime.step import progress, report


@dataclass(frozen=True)
class Verdict:
    """What the gate decided.

    Attributes:
        accepted: Whether the model may be registered.
        text: The decision in one sentence.
    """

    accepted: bool
    text: str


def judge(accuracy: float, min_accuracy: float) -> Verdict:
    """Compare a model's accuracy with the least that is asked.

    Args:
        accuracy: The share of test images classified rightly, 0 to 1. Not-a-number never passes.
        min_accuracy: The least accuracy that passes, 0 to 1.

    Returns:
        The verdict, which is also reported to the run's summary.

    Raises:
        PipelineError: If the least accuracy is not a share, such as 90 for 90 %.
    """
    if not 0 <= min_accuracy <= 1:
        raise PipelineError(f"min_accuracy is {min_accuracy:g}; a share from 0 to 1 is needed")
    accepted = accuracy >= min_accuracy
    comparison = "reaches" if accepted else "is below"
    text = f"{'Accepted' if accepted else 'Rejected'}: accuracy {accuracy:.4f} {comparison} {min_accuracy:.4f}"
    progress(text)
    report(accepted=accepted, verdict=text)
    return Verdict(accepted, text)
