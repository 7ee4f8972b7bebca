"""KFP component quality_gate."""

from kfp import dsl
from kfp.dsl import Markdown, Output

from kfp_azureml.images import ML_IMAGE

DISPLAY_NAME = "Quality Gate"


@dsl.component(base_image=ML_IMAGE, install_kfp_package=False)
def quality_gate(verdict: Output[Markdown], accuracy: float, min_accuracy: float) -> str:
    """Accept or reject a scored model for registration; the run succeeds either way.

    Args:
        verdict: The decision with accuracy and minimum, as Markdown.
        accuracy: Accuracy of the model on the test set, 0 to 1.
        min_accuracy: Minimum accuracy to accept the model, 0 to 1.

    Returns:
        `accepted` or `rejected`.
    """
    from pathlib import Path

    from kfp_azureml.runtime.step import run_step
    from kfp_azureml.steps.quality_gate.quality_gate import judge

    with run_step("quality_gate"):
        judged = judge(accuracy, min_accuracy)
        Path(verdict.path).write_text(f"**{judged.text}**\n")
        verdict.metadata["accepted"] = judged.accepted
        return "accepted" if judged.accepted else "rejected"
