"""Write predictions batch by batch."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Iterable
from math import prod
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kfp_azureml.imagesets.image_set import ImageSetInfo, label_bytes
from kfp_azureml.models.model_folder import SAMPLE_FILE

if TYPE_CHECKING:
    from kfp_azureml.steps.score.results import ClassMetrics
    from kfp_azureml.steps.score.scored_batch import ScoredBatch

PREDICTIONS_FILE = "predictions.parquet"
CLASSES_FILE = "predict_result.csv"
CLASS_METRICS_FILE = "per_class.csv"

SAMPLE_IMAGES = 100
SAMPLE_BYTES = 3 << 20
"""The sample is sent in one request: managed online endpoints accept 10 MB, and base64 adds a third."""

NUMBER_BYTES = 24
"""Size of a probability in JSON, comma included."""


class PredictionFiles:
    """Context manager that writes predictions.parquet, predict_result.csv and sample.json.

    Args:
        folder: Output folder.
        info: Description of the scored image set.
        classes: Number of classes of the model.
    """

    def __init__(self, folder: Path, info: ImageSetInfo, classes: int) -> None:
        self._folder = folder
        self._classes = classes
        label_type = pa.uint8() if label_bytes(classes) == 1 else pa.uint16()
        self._schema = pa.schema(
            [
                pa.field("index", pa.int64(), nullable=False),
                pa.field("label", label_type, nullable=False),
                pa.field("predicted", label_type, nullable=False),
                pa.field("probabilities", pa.list_(pa.float32(), classes), nullable=False),
            ]
        )
        # The format of numpy.savetxt, as in the original Azure ML example.
        self._lines = np.array([f"{label:.18e}\n".encode() for label in range(classes)])
        image_bytes = max(prod(info.shape), NUMBER_BYTES * classes)
        size = max(1, min(SAMPLE_IMAGES, info.count, SAMPLE_BYTES // image_bytes))
        self._sample_rows = np.arange(size) * info.count // size
        self._sample: dict[str, list[object]] = {
            "shape": list(info.shape),
            "images": [],
            "labels": [],
            "predicted": [],
            "probabilities": [],
        }

    def __enter__(self) -> Self:
        self._parquet = pq.ParquetWriter(
            self._folder / PREDICTIONS_FILE, self._schema, use_dictionary=["label", "predicted"]
        )
        self._csv = (self._folder / CLASSES_FILE).open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._csv.close()
        self._parquet.close()
        if kind is None:
            (self._folder / SAMPLE_FILE).write_text(json.dumps(self._sample) + "\n")

    def write(self, scored: ScoredBatch) -> None:
        """Append a batch; call it in the order of the set."""
        end = scored.start + len(scored.batch)
        columns = [
            pa.array(np.arange(scored.start, end)),
            # A set with fewer classes than the model may have narrower labels.
            pa.array(scored.batch.labels, self._schema.field("label").type),
            pa.array(scored.predicted),
            pa.FixedSizeListArray.from_arrays(pa.array(scored.probabilities.ravel()), self._classes),
        ]
        self._parquet.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        self._csv.write(self._lines[scored.predicted].tobytes())

        rows = self._sample_rows[(self._sample_rows >= scored.start) & (self._sample_rows < end)] - scored.start
        self._sample["images"] += [base64.b64encode(image.tobytes()).decode() for image in scored.batch.images[rows]]
        self._sample["labels"] += scored.batch.labels[rows].tolist()
        self._sample["predicted"] += scored.predicted[rows].tolist()
        self._sample["probabilities"] += scored.probabilities[rows].tolist()


def write_class_metrics(folder: Path, classes: Iterable[ClassMetrics]) -> None:
    """Write per_class.csv; metrics that a class does not have are empty."""
    with (folder / CLASS_METRICS_FILE).open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["class", "images", "predicted", "right", "precision", "recall", "f1"])
        rows.writerows(
            [one.name, one.images, one.predicted, one.right, one.precision, one.recall, one.f1] for one in classes
        )
