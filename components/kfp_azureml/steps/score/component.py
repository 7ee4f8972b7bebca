"""KFP component score."""

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
) -> float:
    """Score a model folder on an image set, with ONNX Runtime.

    Args:
        input_data: Test set, as written by prep.
        input_model: Model folder, as written by train; its files must be those that train recorded.
        output_result: Probabilities (predictions.parquet), predicted classes (predict_result.csv), a sample of images
            with their predictions (sample.json), and a record of what was scored (check.json).
        metrics: Accuracy and loss, and the area under the ROC curve if there is one.
        classification_metrics: Confusion matrix and ROC curve: of the second class with two classes, micro-averaged
            with more, none if the images are all of one class.
        report: HTML report: metrics by class, confusion matrix, and pictures of the most confident mistakes.

    Returns:
        The accuracy, 0 to 1.
    """
    from pathlib import Path

    from kfp_azureml.runtime.step import run_step
    from kfp_azureml.steps.score.score import NAME, score_model

    with run_step(NAME):
        result = score_model(
            Path(input_data.path),
            Path(input_model.path),
            Path(output_result.path),
            output_report=Path(report.path),
        )
        metrics.log_metric("accuracy", result.accuracy)
        metrics.log_metric("loss", result.loss)
        classification_metrics.log_confusion_matrix(list(result.classes), [list(row) for row in result.confusion])
        if result.roc:
            metrics.log_metric("roc_auc", result.roc.area)
            classification_metrics.log_roc_curve(
                list(result.roc.false_positive_rate),
                list(result.roc.true_positive_rate),
                list(result.roc.thresholds),
            )
        output_result.metadata.update(accuracy=result.accuracy, loss=result.loss, images=result.images)
        return result.accuracy
