"""KFP component score: metrics, confusion matrix, ROC curve, report."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kfp import dsl

from kfp_azureml.steps.score.component import score
from kfp_azureml.steps.score.roc import POINTS
from kubeflow_metadata import stored_metadata

from .conftest import CLASSES, SHAPE


def run(folder: Path, images: Path, model: Path) -> tuple[float, dict[str, dict]]:
    outputs = {
        "output_result": dsl.Artifact("output_result", str(folder / "result")),
        "metrics": dsl.Metrics("metrics", str(folder / "metrics")),
        "classification_metrics": dsl.ClassificationMetrics("classification_metrics", str(folder / "classes")),
        "report": dsl.HTML("report", str(folder / "report")),
    }
    accuracy = score.python_func(dsl.Dataset("d", str(images)), dsl.Model("m", str(model)), **outputs)
    return accuracy, {name: stored_metadata(artifact) for name, artifact in outputs.items()}


def test_metrics_confusion_matrix_and_roc_curve(
    model_folder: Path, make_set: Callable[..., Path], random_images: tuple, tmp_path: Path
) -> None:
    accuracy, shown = run(tmp_path, make_set(*random_images), model_folder)
    assert shown["metrics"].keys() == {"accuracy", "loss", "roc_auc"}
    assert shown["metrics"]["accuracy"] == accuracy
    # Both in one artifact: Kubeflow's page draws one below the other.
    matrix = shown["classification_metrics"]["confusionMatrix"]
    assert [spec["displayName"] for spec in matrix["annotationSpecs"]] == list(CLASSES)
    assert sum(sum(row["row"]) for row in matrix["rows"]) == 333
    curve = shown["classification_metrics"]["confidenceMetrics"]
    assert 10 < len(curve) <= POINTS
    assert curve[0] == {"confidenceThreshold": 1, "recall": 0, "falsePositiveRate": 0}
    assert (curve[-1]["recall"], curve[-1]["falsePositiveRate"]) == (1, 1)
    area = np.trapezoid([point["recall"] for point in curve], [point["falsePositiveRate"] for point in curve])
    assert area == pytest.approx(shown["metrics"]["roc_auc"], abs=0.01)
    assert shown["output_result"].keys() == {"accuracy", "loss", "images"}


def test_the_report_loads_nothing_from_the_network(
    model_folder: Path, make_set: Callable[..., Path], tmp_path: Path
) -> None:
    # Kubeflow shows it in a frame without an origin.
    run(tmp_path, make_set(np.zeros((3, *SHAPE)), [0, 1, 2]), model_folder)
    page = (tmp_path / "report").read_text()
    assert not [mark for mark in ("http:", "https:", 'src="/', "<script", "<link", "@import", "url(") if mark in page]
