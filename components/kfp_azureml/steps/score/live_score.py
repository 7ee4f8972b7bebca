"""Score the live model on the images of the new one, in the same pass, and compare both."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from kfp_azureml.models.live_model import LiveComparison, read_absence
from kfp_azureml.models.model_folder import (
    MANIFEST_FILE,
    ONNX_FILE,
    Manifest,
    hash_files,
    read_manifest,
    verify_files,
)
from kfp_azureml.runtime.errors import ModelError, first_line
from kfp_azureml.runtime.step import progress
from kfp_azureml.steps.score.results import macro_f1, worst_class

if TYPE_CHECKING:
    from kfp_azureml.steps.score.scored_batch import ScoredBatch


class LiveScore:
    """The live model's answers, counted batch by batch.

    A live model that cannot be compared is no error, since a new model may have other classes than the live one: what
    keeps it from being compared is then part of the result.

    Args:
        folder: Model folder, or the folder that stands for none, as written by aml_live_model.
        name: The live model, `name:version`; empty if unknown.
        new: Manifest of the new model.
        batch_size: Batch size of the network.
    """

    def __init__(self, folder: Path, name: str, new: Manifest, batch_size: int) -> None:
        from kfp_azureml.models.onnx_session import open_network
        from kfp_azureml.steps.score.class_counts import ClassCounts

        self._folder, self._name, self._batch_size = folder, name, batch_size
        self._counts = ClassCounts(new.classes)
        self._loss = 0.0
        self._only_new_right = self._only_live_right = 0
        absence = read_absence(folder)
        self._unwanted = absence == ""
        self._not_compared = absence or ""
        if absence is None:
            try:
                _check_comparable(folder, new)
                self._network = open_network(folder / ONNX_FILE, read_manifest(folder))
            except ModelError as error:
                self._give_up(error)

    def add(self, scored: ScoredBatch) -> None:
        """Score a batch."""
        if self._unwanted or self._not_compared:
            return
        from kfp_azureml.models.onnx_session import predict_in_batches
        from kfp_azureml.steps.score.scored_batch import cross_entropy

        labels = scored.batch.labels
        try:
            probabilities = predict_in_batches(self._network, scored.batch.images, self._batch_size)
        except ModelError as error:
            self._give_up(error)
            return
        predicted = probabilities.argmax(axis=1)
        self._counts.add(labels, predicted)
        self._loss += cross_entropy(probabilities, labels)
        new_right, live_right = scored.predicted == labels, predicted == labels
        self._only_new_right += int((new_right & ~live_right).sum())
        self._only_live_right += int((live_right & ~new_right).sum())

    def comparison(self, images: int) -> LiveComparison | None:
        """Return the comparison over all images; None if nobody asked for one."""
        if self._unwanted:
            return None
        if self._not_compared:
            return LiveComparison(self._name, {}, not_compared=self._not_compared)
        classes = self._counts.class_metrics()
        worst = worst_class(classes)
        return LiveComparison(
            self._name,
            {
                "accuracy": sum(one.right for one in classes) / images,
                "macro_f1": macro_f1(classes),
                "worst_recall": worst.right / worst.images,
                "loss": self._loss / images,
            },
            self._only_new_right,
            self._only_live_right,
            mcnemar(self._only_new_right, self._only_live_right),
        )

    def _give_up(self, error: ModelError) -> None:
        self._not_compared = first_line(error).replace(f"{self._folder}/", "")
        progress(f"live model {self._name or 'of unknown name'}: cannot be compared: {self._not_compared}")


def mcnemar(first: int, second: int) -> float:
    """Return the p-value of McNemar's exact test, two-sided.

    Under the hypothesis that two classifiers are equally good, each image on which only one of them is right is the
    first's with probability 1/2: a sign test.

    Args:
        first: Number of images on which only the first is right.
        second: Number of images on which only the second is right.
    """
    images, fewer = first + second, min(first, second)
    # Twice the lower tail of the binomial distribution, from its largest term down.
    log_term = math.lgamma(images + 1) - math.lgamma(fewer + 1) - math.lgamma(images - fewer + 1)
    term = math.exp(log_term - images * math.log(2))
    tail, place = term, fewer
    while place and term > tail * 1e-17:
        term *= place / (images - place + 1)
        tail += term
        place -= 1
    return min(1.0, 2 * tail)


def _check_comparable(folder: Path, new: Manifest) -> None:
    """Check that the live model answers the new one's question.

    Raises:
        ModelError: If it does not, or is damaged or another tool's.
    """
    if not (folder / MANIFEST_FILE).is_file():
        raise ModelError(f"it was not written by train: it has no {MANIFEST_FILE}")
    live = read_manifest(folder)
    if ONNX_FILE not in live.files:
        raise ModelError(f"its manifest lists no {ONNX_FILE}")
    verify_files(folder, hash_files(folder), live.files)
    if live.input.shape != new.input.shape:
        raise ModelError(f"its images are {_size(live)}; those of the new model are {_size(new)}")
    if live.classes != new.classes:
        counts = f"{len(live.classes):,} and {len(new.classes):,}"
        raise ModelError(f"its classes are not those of the new model ({counts}), or in another order")


def _size(manifest: Manifest) -> str:
    return "x".join(map(str, manifest.input.shape[1:]))
