"""KFP component score: metrics, confusion matrix, ROC curve, report."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kfp import dsl

from kfp_azureml.models.model_folder import read_manifest
from kfp_azureml.steps.score.component import score
from kfp_azureml.steps.score.roc import POINTS
from kubeflow_metadata import stored_metadata

from .conftest import CLASSES, SHAPE


def run(folder: Path, images: Path, model: Path, live: dsl.Model | None = None) -> tuple[dict, dict[str, dict]]:
    outputs = {
        "output_result": dsl.Artifact("output_result", str(folder / "result")),
        "metrics": dsl.Metrics("metrics", str(folder / "metrics")),
        "classification_metrics": dsl.ClassificationMetrics("classification_metrics", str(folder / "classes")),
        "report": dsl.HTML("report", str(folder / "report")),
    }
    accuracy, scores = score.python_func(
        dsl.Dataset("d", str(images)), dsl.Model("m", str(model)), live_model=live, **outputs
    )
    assert scores["accuracy"] == accuracy
    return scores, {name: stored_metadata(artifact) for name, artifact in outputs.items()}


def test_metrics_confusion_matrix_and_roc_curve(
    model_folder: Path, make_set: Callable[..., Path], random_images: tuple, tmp_path: Path
) -> None:
    scores, shown = run(tmp_path, make_set(*random_images), model_folder)
    assert shown["metrics"].keys() == {"accuracy", "loss", "macro_f1", "worst_recall", "ece", "roc_auc"}
    assert scores == {name: shown["metrics"][name] for name in ("accuracy", "macro_f1", "worst_recall")}
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
    assert shown["output_result"].keys() == {*shown["metrics"], "images"}


def test_the_live_model_has_metrics_of_its_own(
    model_folder: Path, make_set: Callable[..., Path], random_images: tuple, tmp_path: Path
) -> None:
    live = dsl.Model("live", str(model_folder), {"name": "fashion", "version": "3"})
    scores, shown = run(tmp_path, make_set(*random_images), model_folder, live)
    for name in ("accuracy", "macro_f1", "worst_recall"):
        assert shown["metrics"][f"live_{name}"] == scores["live"]["metrics"][name] == scores[name]
    assert scores["live"]["model"] == "fashion:3"
    assert json.loads(json.dumps(scores)) == scores


def test_a_thousand_classes_have_top_5_and_no_matrix(
    wide_model: Path, make_set: Callable[..., Path], tmp_path: Path
) -> None:
    classes = read_manifest(wide_model).classes
    labels = np.arange(100)
    _, shown = run(tmp_path, make_set(np.zeros((100, *SHAPE)), labels, classes), wide_model)
    # All classes are equally probable, so the first five are the most probable ones.
    assert (shown["metrics"]["accuracy"], shown["metrics"]["top_5_accuracy"]) == (0.01, 0.05)
    assert "confusionMatrix" not in shown["classification_metrics"]
    assert len(json.dumps(shown)) < 20_000
    rows = (tmp_path / "result" / "per_class.csv").read_text().splitlines()
    assert rows[0] == "class,images,predicted,right,precision,recall,f1"
    assert rows[1] == "class 0,1,100,1,0.01,1.0,0.019801980198019802"
    assert rows[2] == "class 1,1,0,0,,0.0,0.0"
    assert rows[1000] == "class 999,0,0,0,,,"
    assert (tmp_path / "result" / "sample.json").stat().st_size < 4 << 20


def test_the_report_loads_nothing_from_the_network(
    model_folder: Path, make_set: Callable[..., Path], tmp_path: Path
) -> None:
    # Kubeflow shows it in a frame without an origin.
    run(tmp_path, make_set(np.zeros((3, *SHAPE)), [0, 1, 2]), model_folder)
    page = (tmp_path / "report").read_text()
    assert not [mark for mark in ("http:", "https:", 'src="/', "<script", "<link", "@import", "url(") if mark in page]
