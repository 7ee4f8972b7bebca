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


def score_model(input_data: Path, input_model: Path, output_result: Path, *, output_report: Path | None) -> ScoreResult:
    """Score a model on an image set.

    The output folder holds predictions.parquet (index, label, predicted, probabilities), predict_result.csv (one
    predicted class per line), sample.json (images with predictions, for the smoke test of a deployment) and check.json
    (sha256 of the scored files, accuracy and loss).

    Args:
        input_data: Folder with the test set, as written by prep.
        input_model: Model folder, as written by train.
        output_result: Folder to create.
        output_report: HTML report to write.

    Raises:
        ModelError: If the model folder is incomplete or modified.
        DataError: If the set is missing, damaged or incompatible with the model.
    """
    import numpy as np

    from kfp_azureml.imagesets.reader import open_image_set
    from kfp_azureml.steps.score.predictions import PredictionFiles
    from kfp_azureml.steps.score.report import TopMistakes, write_report
    from kfp_azureml.steps.score.roc import RocCounts

    manifest = read_manifest(input_model)
    if ONNX_FILE not in manifest.files:
        raise ModelError(f"{input_model}: the manifest lists no {ONNX_FILE}; train again")
    model_files = hash_files(input_model)
    verify_files(input_model, model_files, manifest.files)
    images = open_image_set(input_data)
    _check_compatible(input_data, images.info, manifest)

    classes = len(manifest.classes)
    confusion = np.zeros((classes, classes), np.int64)
    loss = 0.0
    top_mistakes = TopMistakes()
    roc = RocCounts()
    with atomic_folder(output_result) as folder:
        with PredictionFiles(folder, images.info, classes) as files:
            for scored in _score_batches(images, manifest, input_model / ONNX_FILE):
                labels = scored.batch.labels
                of_label = scored.probabilities[np.arange(len(labels)), labels]
                loss -= float(np.log(np.clip(of_label, 1e-7, 1 - 1e-7), dtype=np.float64).sum())
                np.add.at(confusion, (labels, scored.predicted), 1)
                files.write(scored)
                top_mistakes.add(scored)
                roc.add(scored)

        result = ScoreResult(
            images=images.info.count,
            accuracy=float(confusion.trace() / images.info.count),
            loss=loss / images.info.count,
            classes=manifest.classes,
            confusion=tuple(map(tuple, confusion.tolist())),
            roc=roc.curve(),
        )
        write_check(
            folder,
            CheckRecord(
                files=model_files,
                accuracy=result.accuracy,
                loss=result.loss,
                images=result.images,
            ),
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
    for batch in images.batches(images_per_group(images.info.shape)):
        probabilities = predict_in_batches(network, batch.images, BATCH_SIZE)
        yield ScoredBatch(done, batch, probabilities, probabilities.argmax(axis=1).astype(label_type))
        done += len(batch)
        if due():
            progress(f"{done:,} of {images.info.count:,} images", done / images.info.count)


def _size(shape: tuple[int | None, ...]) -> str:
    return "x".join(map(str, shape))
