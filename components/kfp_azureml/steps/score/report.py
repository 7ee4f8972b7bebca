"""The HTML report: per-class metrics, confusion matrix, most confident mistakes."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kfp_azureml.steps.score.results import ScoreResult
    from kfp_azureml.steps.score.scored_batch import ScoredBatch

TEMPLATE = Path(__file__).with_name("report.html.j2")
MISTAKES = 24


@dataclass(frozen=True)
class Mistake:
    """A misclassified image.

    Attributes:
        index: Index in the set.
        label: True class.
        predicted: Predicted class.
        confidence: Probability of the predicted class, 0 to 1.
        image: (height, width, channels), uint8.
    """

    index: int
    label: int
    predicted: int
    confidence: float
    image: NDArray[np.uint8]


class TopMistakes:
    """The most confident mistakes of a stream of batches."""

    def __init__(self, size: int = MISTAKES) -> None:
        self._size = size
        self.mistakes: list[Mistake] = []

    def add(self, scored: ScoredBatch) -> None:
        """Add a batch; `mistakes` is sorted by confidence, descending."""
        import numpy as np

        confidence = scored.probabilities.max(axis=1)
        wrong = np.flatnonzero(scored.predicted != scored.batch.labels)
        worst = wrong[np.argsort(-confidence[wrong], kind="stable")][: self._size]
        found = [
            Mistake(
                scored.start + int(row),
                int(scored.batch.labels[row]),
                int(scored.predicted[row]),
                float(confidence[row]),
                scored.batch.images[row].copy(),
            )
            for row in worst
        ]
        self.mistakes = sorted(self.mistakes + found, key=lambda mistake: -mistake.confidence)[: self._size]


@dataclass(frozen=True)
class ClassMetrics:
    """Metrics of one class.

    Attributes:
        name: Class name.
        images: Number of images of the class.
        precision: 0 to 1; None if the class was never predicted.
        recall: 0 to 1; None if there are no images of the class.
        row: Row of the confusion matrix.
    """

    name: str
    images: int
    precision: float | None
    recall: float | None
    row: tuple[int, ...]


def per_class_metrics(classes: Sequence[str], confusion: Sequence[Sequence[int]]) -> list[ClassMetrics]:
    """Return precision and recall of each class.

    Args:
        classes: Class names.
        confusion: Number of images of class i (row) predicted as class j (column).
    """
    metrics = []
    for index, name in enumerate(classes):
        right, images = confusion[index][index], sum(confusion[index])
        predicted = sum(row[index] for row in confusion)
        metrics.append(
            ClassMetrics(
                name,
                images,
                precision=right / predicted if predicted else None,
                recall=right / images if images else None,
                row=tuple(confusion[index]),
            )
        )
    return metrics


def write_report(path: Path, result: ScoreResult, mistakes: Sequence[Mistake]) -> None:
    """Write the report as one self-contained HTML page."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["png_data_uri"] = png_data_uri
    page = environment.from_string(TEMPLATE.read_text()).render(
        result=result,
        class_metrics=per_class_metrics(result.classes, result.confusion),
        mistakes=mistakes,
        mistake_count=result.images - sum(row[index] for index, row in enumerate(result.confusion)),
    )
    path.write_text(page)


def png_data_uri(image: NDArray[np.uint8]) -> str:
    """Return an image, (height, width, channels), uint8, as a PNG data URI.

    1 channel is grey, 3 are RGB, 4 are RGBA; of any other number the first channel is shown.
    """
    from PIL import Image

    pixels = image if image.shape[2] in (3, 4) else image[:, :, 0]
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
