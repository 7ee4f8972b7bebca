"""The page that shows how well a model did: figures by class, confusion matrix, the most confident mistakes."""

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
    """An image that was classified wrongly.

    Attributes:
        index: Its place in the set.
        label: Its true class.
        predicted: What the model took it for.
        confidence: The probability the model gave to that, 0 to 1.
        image: (height, width, channels), uint8.
    """

    index: int
    label: int
    predicted: int
    confidence: float
    image: NDArray[np.uint8]


class TopMistakes:
    """Keeps the most confident mistakes of a stream of scored images."""

    def __init__(self, size: int = MISTAKES) -> None:
        self._size = size
        self.mistakes: list[Mistake] = []

    def add(self, scored: ScoredBatch) -> None:
        """Look through some scored images; `mistakes` is in order of confidence, the highest first."""
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
    """How well a model knows one class.

    Attributes:
        name: The class.
        images: How many there were of it.
        precision: Of those taken for it, the share that is; None if none was.
        recall: Of those that are, the share taken for it; None if there was none.
        row: How often its images were taken for each class.
    """

    name: str
    images: int
    precision: float | None
    recall: float | None
    row: tuple[int, ...]


def per_class_metrics(classes: Sequence[str], confusion: Sequence[Sequence[int]]) -> list[ClassMetrics]:
    """Return precision and recall of each class.

    Args:
        classes: The class names.
        confusion: How many images of class i (the row) were taken for class j (the column).
    """
    figures = []
    for index, name in enumerate(classes):
        right, images = confusion[index][index], sum(confusion[index])
        taken = sum(row[index] for row in confusion)
        figures.append(
            ClassMetrics(
                name,
                images,
                precision=right / taken if taken else None,
                recall=right / images if images else None,
                row=tuple(confusion[index]),
            )
        )
    return figures


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

    One channel is grey, three are red, green and blue, four have alpha; of any other number the first is shown.
    """
    from PIL import Image

    pixels = image if image.shape[2] in (3, 4) else image[:, :, 0]
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
