"""KFP component score."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Artifact, ClassificationMetrics, Dataset, Input, Metrics, Model, Output

from kfp_azureml.images import ML_IMAGE

DISPLAY_NAME = "Score Image Classification Keras"


@dsl.component(base_image=ML_IMAGE, install_kfp_package=False)
def score(
    input_data: Input[Dataset],
    input_model: Input[Model],
    output_result: Output[Artifact],
    metrics: Output[Metrics],
    classification_metrics: Output[ClassificationMetrics],
    report: Output[HTML],
    live_model: Input[Model] = None,
) -> NamedTuple("Outputs", [("Output", float), ("scores", dict)]):  # type: ignore[valid-type]
    """Score a model folder on an image set, with ONNX Runtime.

    Args:
        input_data: Test set, as written by prep.
        input_model: Model folder, as written by train; its files must be those that train recorded.
        output_result: Probabilities (predictions.parquet), predicted classes (predict_result.csv), metrics by class
            (per_class.csv), a sample of images with their predictions (sample.json), and a record of what was scored
            and compared (check.json).
        metrics: Accuracy, loss, macro_f1, worst_recall, ece; with more than 5 classes top_5_accuracy; roc_auc if there
            is a curve; live_accuracy, live_macro_f1 and live_worst_recall if there is a live model to compare with.
        classification_metrics: Confusion matrix, with up to 50 classes, and ROC curve: of the second class with two
            classes, micro-averaged with more, none if the images are all of one class.
        report: HTML report: metrics, comparison with the live model, calibration, metrics by class, confusions, and
            pictures of the most confident mistakes.
        live_model: Live model to compare with on the same images, as written by aml_live_model; none without one.

    Returns:
        The accuracy, 0 to 1. And what the quality gate judges: accuracy, macro_f1 and worst_recall, and in `live` the
        comparison with the live model.
    """
    from pathlib import Path

    from kfp_azureml.runtime.step import run_step
    from kfp_azureml.steps.score.score import NAME, score_model

    with run_step(NAME):
        about = live_model.metadata if live_model else {}
        result = score_model(
            Path(input_data.path),
            Path(input_model.path),
            Path(output_result.path),
            output_report=Path(report.path),
            live_model=Path(live_model.path) if live_model else None,
            live_name=f"{about['name']}:{about['version']}" if about.get("name") else "",
        )
        found = {"accuracy": result.accuracy, "loss": result.loss, **result.metrics}
        output_result.metadata.update(found, images=result.images)
        if result.live and result.live.metrics:
            found |= {f"live_{name}": result.live.metrics[name] for name in ("accuracy", "macro_f1", "worst_recall")}
        for name, value in found.items():
            metrics.log_metric(name, value)
        if result.confusion:
            classification_metrics.log_confusion_matrix(list(result.classes), [list(row) for row in result.confusion])
        if result.roc:
            classification_metrics.log_roc_curve(
                list(result.roc.false_positive_rate),
                list(result.roc.true_positive_rate),
                list(result.roc.thresholds),
            )
        return result.accuracy, result.scores
