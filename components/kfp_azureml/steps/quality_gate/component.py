"""KFP component quality_gate."""

from kfp import dsl
from kfp.dsl import Markdown, Output

from kfp_azureml.images import ML_IMAGE

DISPLAY_NAME = "Quality Gate"


@dsl.component(base_image=ML_IMAGE, install_kfp_package=False)
def quality_gate(
    verdict: Output[Markdown],
    accuracy: float,
    min_accuracy: float,
    metric: str = "accuracy",
    min_metric: float = 0.0,
    min_improvement: float = 0.0,
    scores: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
) -> str:
    """Accept or reject a scored model for registration; the run succeeds either way.

    Args:
        verdict: The decision with metric, minimum and the live model's metric, as Markdown.
        accuracy: Accuracy of the model on the test set, 0 to 1.
        min_accuracy: Minimum accuracy to accept the model, 0 to 1; only for the metric accuracy.
        metric: Metric that decides: accuracy, macro_f1 (mean F1 of the classes) or worst_recall (recall of the worst
            class).
        min_metric: Minimum of the metric to accept the model, 0 to 1, for metrics other than accuracy.
        min_improvement: Minimum by which the metric must exceed the live model's, if score compared both; 0 accepts an
            equal model, a negative number a worse one.
        scores: Output of the score step: the other metrics and the comparison with the live model.

    Returns:
        `accepted` or `rejected`.
    """
    from pathlib import Path

    from kfp_azureml.azureml.markdown import plain
    from kfp_azureml.models.gate_settings import GateSettings
    from kfp_azureml.runtime.step import run_step
    from kfp_azureml.steps.quality_gate.quality_gate import judge, read_scores

    with run_step("quality_gate"):
        settings = GateSettings(min_accuracy, metric, min_metric, min_improvement)
        metrics, live = read_scores(scores)
        judged = judge({**metrics, "accuracy": accuracy}, settings, live)
        Path(verdict.path).write_text(f"**{plain(judged.text)}**\n")
        verdict.metadata.update(judged.values, accepted=judged.accepted)
        return "accepted" if judged.accepted else "rejected"
