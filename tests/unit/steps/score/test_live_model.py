"""The live model beside the new one: the same images, the same metrics, and when it cannot be compared."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from kfp_azureml.models.live_model import LiveComparison, write_absence
from kfp_azureml.models.model_folder import ONNX_FILE, Manifest, read_check, read_manifest, write_manifest
from kfp_azureml.steps.score.live_score import mcnemar
from kfp_azureml.steps.score.score import score_model

Images = tuple[np.ndarray, np.ndarray]
MakeSet = Callable[..., Path]


@pytest.fixture
def live(model_folder: Path, tmp_path: Path) -> Path:
    """Return a model that answers the second class for what the first is sure of, and the other way round."""
    folder = shutil.copytree(model_folder, tmp_path / "live")
    change_weights(folder, lambda weights: weights[:, [1, 0, 2]])
    return folder


def change_weights(folder: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    graph = onnx.load(folder / ONNX_FILE)
    weights = change(numpy_helper.to_array(graph.graph.initializer[0]))
    graph.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(weights), "weights"))
    onnx.save(graph, folder / ONNX_FILE)
    write_manifest(folder, read_manifest(folder))


def change_manifest(folder: Path, **changed: object) -> None:
    write_manifest(folder, Manifest(**{**vars(read_manifest(folder)), **changed}))


def compared(model: Path, images: Path, live: Path, result: Path) -> LiveComparison | None:
    found = score_model(images, model, result, output_report=None, live_model=live, live_name="fashion:3").live
    assert read_check(result).live == found
    return found


def test_it_gets_what_it_gets_when_it_is_scored_itself(
    model_folder: Path, live: Path, make_set: MakeSet, random_images: Images, tmp_path: Path
) -> None:
    images = make_set(*random_images)
    comparison = compared(model_folder, images, live, tmp_path / "result")
    new, alone = (
        score_model(images, folder, tmp_path / folder.name / "result", output_report=None)
        for folder in (model_folder, live)
    )
    assert comparison is not None
    names = ("macro_f1", "worst_recall")
    expected = {"accuracy": alone.accuracy, "loss": alone.loss, **{name: alone.metrics[name] for name in names}}
    assert comparison.metrics == pytest.approx(expected)
    better, worse = comparison.only_new_right, comparison.only_live_right
    assert better - worse == round(333 * (new.accuracy - alone.accuracy))
    assert better > 30
    assert comparison.p_value == mcnemar(better, worse)
    assert (comparison.model, comparison.not_compared) == ("fashion:3", "")


def test_a_model_is_equal_to_itself(
    model_folder: Path, make_set: MakeSet, random_images: Images, tmp_path: Path
) -> None:
    same = shutil.copytree(model_folder, tmp_path / "same")
    comparison = compared(model_folder, make_set(*random_images), same, tmp_path / "result")
    assert comparison is not None
    assert (comparison.only_new_right, comparison.only_live_right, comparison.p_value) == (0, 0, 1)


def another_size(folder: Path) -> None:
    before = read_manifest(folder).input
    change_manifest(folder, input=type(before)(before.name, (None, 3, 2, 1), before.dtype))


def another_class(folder: Path) -> None:
    change_manifest(folder, classes=("zero", "one", "two"))


def no_manifest(folder: Path) -> None:
    (folder / "model.json").unlink()


def damaged(folder: Path) -> None:
    (folder / ONNX_FILE).write_bytes(b"junk")


def not_a_network(folder: Path) -> None:
    (folder / ONNX_FILE).write_bytes(b"junk")
    write_manifest(folder, read_manifest(folder))


def answers_nan(folder: Path) -> None:
    change_weights(folder, lambda weights: np.full_like(weights, np.nan))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (another_size, "its images are 3x2x1; those of the new model are 2x2x1"),
        (another_class, "its classes are not those of the new model (3 and 3), or in another order"),
        (no_manifest, "it was not written by train: it has no model.json"),
        (damaged, "model.onnx: modified"),
        (not_a_network, "model.onnx: ONNX Runtime cannot run it: "),
        (answers_nan, "model.onnx: probabilities are NaN or infinite"),
    ],
)
def test_what_keeps_it_from_being_compared_is_said_and_the_new_model_scored(
    model_folder: Path,
    live: Path,
    make_set: MakeSet,
    random_images: Images,
    tmp_path: Path,
    change: Callable[[Path], None],
    reason: str,
) -> None:
    change(live)
    comparison = compared(model_folder, make_set(*random_images), live, tmp_path / "result")
    assert comparison is not None
    assert comparison.not_compared.startswith(reason)
    assert "\n" not in comparison.not_compared
    assert (comparison.metrics, comparison.p_value) == ({}, 1)


@pytest.mark.parametrize(("reason", "said"), [("", None), ("no model is live", "no model is live")])
def test_a_folder_without_a_model_says_why(
    model_folder: Path, make_set: MakeSet, random_images: Images, tmp_path: Path, reason: str, said: str | None
) -> None:
    absent = tmp_path / "absent"
    absent.mkdir()
    write_absence(absent, reason)
    comparison = compared(model_folder, make_set(*random_images), absent, tmp_path / "result")
    assert (comparison and comparison.not_compared) == said
