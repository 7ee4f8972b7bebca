"""The HTML report: metrics, live model, calibration, confusions, mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kfp_azureml.steps.score.results import worst_class
from kfp_azureml.steps.score.thumbnails import EXACT_SIDE, data_uri, shrink

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kfp_azureml.steps.score.results import ClassMetrics, ScoreResult
    from kfp_azureml.steps.score.scored_batch import ScoredBatch

TEMPLATE = Path(__file__).with_name("report.html.j2")
MISTAKES = 24

SHOWN_CLASSES = 100
"""Maximum number of classes in the table; with more it has those with the lowest recall. per_class.csv has all."""


@dataclass(frozen=True)
class Mistake:
    """A misclassified image.

    Attributes:
        index: Index in the set.
        label: True class.
        predicted: Predicted class.
        confidence: Probability of the predicted class, 0 to 1.
        thumbnail: (height, width, channels), uint8, reduced if it was large.
    """

    index: int
    label: int
    predicted: int
    confidence: float
    thumbnail: NDArray[np.uint8]


class TopMistakes:
    """The most confident mistakes of a stream of batches."""

    def __init__(self, size: int = MISTAKES) -> None:
        self._size = size
        self.mistakes: list[Mistake] = []

    def add(self, scored: ScoredBatch) -> None:
        """Add a batch; `mistakes` is sorted by confidence, descending."""
        import numpy as np

        confidence = scored.confidence
        wrong = scored.predicted != scored.batch.labels
        if len(self.mistakes) == self._size:
            wrong &= confidence > self.mistakes[-1].confidence
        rows = np.flatnonzero(wrong)
        worst = rows[np.argsort(-confidence[rows], kind="stable")][: self._size]
        found = [
            Mistake(
                scored.start + int(row),
                int(scored.batch.labels[row]),
                int(scored.predicted[row]),
                float(confidence[row]),
                shrink(scored.batch.images[row]),
            )
            for row in worst
        ]
        self.mistakes = sorted(self.mistakes + found, key=lambda mistake: -mistake.confidence)[: self._size]


def write_report(path: Path, result: ScoreResult, mistakes: Sequence[Mistake]) -> None:
    """Write the report as one self-contained HTML page."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["data_uri"] = data_uri
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        result=result,
        worst=worst_class(result.class_metrics),
        class_metrics=_shown(result.class_metrics),
        mistakes=mistakes,
        exact_side=EXACT_SIDE,
    )
    path.write_text(page, encoding="utf-8")


def _shown(classes: Sequence[ClassMetrics]) -> Sequence[ClassMetrics]:
    """Return the classes for the table: all, or those with the lowest recall."""
    if len(classes) <= SHOWN_CLASSES:
        return classes
    with_images = [one for one in classes if one.images]
    return sorted(with_images, key=lambda one: one.right / one.images)[:SHOWN_CLASSES]
