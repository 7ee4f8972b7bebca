"""Score a model folder on an image set, with ONNX Runtime and without TensorFlow."""

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
from kfp_azureml.runtime.outputs import whole_file, whole_folder
from kfp_azureml.runtime.step import every, progress, report
from kfp_azureml.steps.score.results import Scored, ScoreResult

if TYPE_CHECKING:
    from kfp_azureml.imagesets.image_set import ImageSet, ImageSetInfo

NAME = "score"

RUN_IMAGES = 64
"""Images a run of the network: more gain no speed, and cost memory."""

PROGRESS_SECONDS = 5.0


def score_model(input_data: Path, input_model: Path, output_result: Path, *, output_report: Path | None) -> ScoreResult:
    """Score a model on an image set.

    The result's folder holds predictions.parquet (index, label, predicted, probabilities), predict_result.csv (the
    predicted class, one a line), sample.json (some images with their answers, to ask a deployment about) and check.json
    (which files were scored, and how well they did).

    Args:
        input_data: A folder with the test set, as prep writes it.
        input_model: A model folder, as train writes it.
        output_result: The folder to make.
        output_report: An HTML page to write, with the confusion matrix and the most confident mistakes.

    Returns:
        Accuracy, loss, confusion matrix and ROC curve.

    Raises:
        ModelError: If the model folder is incomplete or altered.
        DataError: If the set is missing, damaged, or does not fit the model.
    """
    import numpy as np

    from kfp_azureml.imagesets.opening import open_image_set
    from kfp_azureml.steps.score.predictions import PredictionFiles
    from kfp_azureml.steps.score.report import MistakeAlbum, write_report
    from kfp_azureml.steps.score.roc import RocCounts

    manifest = read_manifest(input_model)
    if ONNX_FILE not in manifest.files:
        raise ModelError(f"{input_model}: the manifest names no {ONNX_FILE}, which score runs")
    model_files = hash_files(input_model)
    verify_files(input_model, model_files, manifest.files)
    images = open_image_set(input_data)
    _check_fit(input_data, images.info, manifest)

    classes = len(manifest.classes)
    confusion = np.zeros((classes, classes), np.int64)
    loss = 0.0
    album = MistakeAlbum()
    roc = RocCounts()
    with whole_folder(output_result) as folder:
        with PredictionFiles(folder, images.info, classes) as files:
            for scored in _score_batches(images, manifest, input_model / ONNX_FILE):
                labels = scored.batch.labels
                of_label = scored.probabilities[np.arange(len(labels)), labels]
                loss -= float(np.log(np.clip(of_label, 1e-7, 1 - 1e-7), dtype=np.float64).sum())
                np.add.at(confusion, (labels, scored.predicted), 1)
                files.write(scored)
                album.add(scored)
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
            with whole_file(output_report) as part:
                write_report(part, result, album.mistakes)
    progress(f"{result.images:,} images: accuracy {result.accuracy:.4f}, loss {result.loss:.4f}", 1.0)
    page = str(output_report) if output_report else None
    report(accuracy=result.accuracy, loss=result.loss, sample=str(output_result / SAMPLE_FILE), score_page=page)
    return result


def _check_fit(input_data: Path, info: ImageSetInfo, manifest: Manifest) -> None:
    wanted = manifest.input.shape[1:]
    if info.shape != wanted:
        raise DataError(f"{input_data}: images are {_size(info.shape)}; the model takes {_size(wanted)}")
    # A CSV file names its classes by their numbers, and knows of no class above its largest label.
    numbers = tuple(str(label) for label in range(len(info.classes)))
    if info.classes == manifest.classes or (info.classes == numbers and len(numbers) <= len(manifest.classes)):
        return
    raise DataError(
        f"{input_data}: its classes are {', '.join(info.classes)}; the model's are {', '.join(manifest.classes)}"
    )


def _score_batches(images: ImageSet, manifest: Manifest, onnx_file: Path) -> Iterator[Scored]:
    import numpy as np

    from kfp_azureml.imagesets.image_set import images_per_group
    from kfp_azureml.models.onnx_session import in_runs, open_network

    network = open_network(onnx_file, manifest)
    done, due = 0, every(PROGRESS_SECONDS)
    for batch in images.batches(images_per_group(images.info.shape)):
        probabilities = in_runs(network, batch.images, RUN_IMAGES)
        yield Scored(done, batch, probabilities, probabilities.argmax(axis=1).astype(np.uint8))
        done += len(batch)
        if due():
            progress(f"{done:,} of {images.info.count:,} images", done / images.info.count)


def _size(shape: tuple[int | None, ...]) -> str:
    return "x".join(map(str, shape))
