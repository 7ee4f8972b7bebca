"""Score a model folder on an image set with ONNX Runtime, without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kfp_azureml.models.model_folder import (
    ONNX_FILE,
    SAMPLE_FILE,
    CheckRecord,
    Manifest,
    hash_files,
    read_manifest,
    verify_files,
    write_check,
)
from kfp_azureml.runtime.errors import DataError, ModelError
from kfp_azureml.runtime.outputs import atomic_file, atomic_folder
from kfp_azureml.runtime.step import progress, report, throttle
from kfp_azureml.steps.score.results import ScoreResult
from kfp_azureml.steps.score.scored_batch import ScoredBatch

if TYPE_CHECKING:
    from kfp_azureml.imagesets.image_set import ImageSet, ImageSetInfo

NAME = "score"

BATCH_SIZE = 64
"""Batch size; larger batches are not faster and need more memory."""

PROGRESS_SECONDS = 5.0

PROBABILITY_BYTES = 4 << 20
"""Bounds the memory for the probabilities of a batch of images; 10 classes reach it with 100,000 images."""


def score_model(
    input_data: Path,
    input_model: Path,
    output_result: Path,
    *,
    output_report: Path | None,
    live_model: Path | None = None,
    live_name: str = "",
) -> ScoreResult:
    """Score a model on an image set.

    The output folder holds predictions.parquet (index, label, predicted, probabilities), predict_result.csv (one
    predicted class per line), per_class.csv (metrics by class), sample.json (images with predictions, for the smoke
    test of a deployment) and check.json (sha256 of the scored files, metrics, comparison with the live model).

    Args:
        input_data: Folder with the test set, as written by prep.
        input_model: Model folder, as written by train.
        output_result: Folder to create.
        output_report: HTML report to write.
        live_model: Folder as written by aml_live_model, to compare with on the same images.
        live_name: The live model, `name:version`; empty if unknown.

    Raises:
        ModelError: If the model folder is incomplete or modified.
        DataError: If the set is missing, damaged or incompatible with the model.
    """
    from kfp_azureml.imagesets.reader import open_image_set
    from kfp_azureml.steps.score.calibration import CalibrationCounts
    from kfp_azureml.steps.score.class_counts import ClassCounts
    from kfp_azureml.steps.score.live_score import LiveScore
    from kfp_azureml.steps.score.predictions import PredictionFiles, write_class_metrics
    from kfp_azureml.steps.score.report import TopMistakes, write_report
    from kfp_azureml.steps.score.roc import RocCounts
    from kfp_azureml.steps.score.scored_batch import cross_entropy
    from kfp_azureml.steps.score.top_classes import TOP, in_top

    manifest = read_manifest(input_model)
    if ONNX_FILE not in manifest.files:
        raise ModelError(f"{input_model}: the manifest lists no {ONNX_FILE}; train again")
    model_files = hash_files(input_model)
    verify_files(input_model, model_files, manifest.files)
    images = open_image_set(input_data)
    _check_compatible(input_data, images.info, manifest)

    classes = len(manifest.classes)
    counts, calibration, roc, top_mistakes = (
        ClassCounts(manifest.classes),
        CalibrationCounts(),
        RocCounts(),
        TopMistakes(),
    )
    loss, among_top = 0.0, 0
    live = LiveScore(live_model, live_name, manifest, BATCH_SIZE) if live_model else None
    with atomic_folder(output_result) as folder:
        with PredictionFiles(folder, images.info, classes) as files:
            for scored in _score_batches(images, manifest, input_model / ONNX_FILE):
                labels = scored.batch.labels
                loss += cross_entropy(scored.probabilities, labels)
                counts.add(labels, scored.predicted)
                calibration.add(scored.confidence, scored.predicted == labels)
                if classes > TOP:
                    among_top += in_top(scored.probabilities, labels)
                roc.add(scored)
                top_mistakes.add(scored)
                files.write(scored)
                if live:
                    live.add(scored)

        result = ScoreResult(
            images=images.info.count,
            loss=loss / images.info.count,
            class_metrics=counts.class_metrics(),
            confusion=counts.matrix(),
            calibration=calibration.calibration(),
            confusions=counts.confusions(),
            top_5_accuracy=among_top / images.info.count if classes > TOP else None,
            roc=roc.curve(),
            live=live.comparison(images.info.count) if live else None,
        )
        write_class_metrics(folder, result.class_metrics)
        write_check(
            folder,
            CheckRecord(model_files, result.accuracy, result.loss, result.images, result.metrics, result.live),
        )
        if output_report:
            with atomic_file(output_report) as part:
                write_report(part, result, top_mistakes.mistakes)
    progress(f"{result.images:,} images: accuracy {result.accuracy:.4f}, loss {result.loss:.4f}", 1.0)
    page = str(output_report) if output_report else None
    report(accuracy=result.accuracy, loss=result.loss, sample=str(output_result / SAMPLE_FILE), score_page=page)
    return result


def _check_compatible(input_data: Path, info: ImageSetInfo, manifest: Manifest) -> None:
    expected = manifest.input.shape[1:]
    if info.shape != expected:
        raise DataError(f"{input_data}: images are {_size(info.shape)}; the model expects {_size(expected)}")
    # In a CSV file classes are numbers, up to the highest label that occurs.
    numbers = tuple(str(label) for label in range(len(info.classes)))
    if info.classes == manifest.classes or (info.classes == numbers and len(numbers) <= len(manifest.classes)):
        return
    raise DataError(
        f"{input_data}: classes are {', '.join(info.classes)}; the model expects {', '.join(manifest.classes)}"
    )


def _score_batches(images: ImageSet, manifest: Manifest, onnx_file: Path) -> Iterator[ScoredBatch]:
    import numpy as np

    from kfp_azureml.imagesets.image_set import images_per_group, label_bytes
    from kfp_azureml.models.onnx_session import open_network, predict_in_batches

    network = open_network(onnx_file, manifest)
    label_type = np.uint8 if label_bytes(len(manifest.classes)) == 1 else np.uint16
    done, due = 0, throttle(PROGRESS_SECONDS)
    of_probabilities = max(BATCH_SIZE, PROBABILITY_BYTES // (4 * len(manifest.classes)))
    for batch in images.batches(min(images_per_group(images.info.shape), of_probabilities)):
        probabilities = predict_in_batches(network, batch.images, BATCH_SIZE)
        yield ScoredBatch(done, batch, probabilities, probabilities.argmax(axis=1).astype(label_type))
        done += len(batch)
        if due():
            progress(f"{done:,} of {images.info.count:,} images", done / images.info.count)


def _size(shape: tuple[int | None, ...]) -> str:
    return "x".join(map(str, shape))
