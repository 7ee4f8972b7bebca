"""The metrics of a scored image set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kfp_azureml.models.live_model import LiveComparison
    from kfp_azureml.steps.score.calibration import Calibration
    from kfp_azureml.steps.score.roc import RocCurve


@dataclass(frozen=True)
class ClassMetrics:
    """Metrics of one class.

    Attributes:
        name: Class name.
        images: Number of images of the class.
        predicted: Number of images predicted as the class.
        right: Number of images of the class that were predicted as it.
    """

    name: str
    images: int
    predicted: int
    right: int

    @property
    def precision(self) -> float | None:
        """0 to 1; None if the class was never predicted."""
        return self.right / self.predicted if self.predicted else None

    @property
    def recall(self) -> float | None:
        """0 to 1; None if there are no images of the class."""
        return self.right / self.images if self.images else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None if the class neither occurs nor was predicted."""
        return 2 * self.right / (self.images + self.predicted) if self.images + self.predicted else None


def macro_f1(classes: Iterable[ClassMetrics]) -> float:
    """Return the mean F1 of the classes that occur or were predicted, as scikit-learn does by default."""
    known = [one.f1 for one in classes if one.f1 is not None]
    return sum(known) / len(known)


def worst_class(classes: Iterable[ClassMetrics]) -> ClassMetrics:
    """Return the class with the lowest recall, of those with images; the first of several."""
    return min((one for one in classes if one.images), key=lambda one: one.right / one.images)


@dataclass(frozen=True)
class Confusion:
    """A kind of mistake.

    Attributes:
        label: True class.
        predicted: Predicted class.
        count: Number of images.
    """

    label: int
    predicted: int
    count: int


@dataclass(frozen=True)
class ScoreResult:
    """Metrics of a model on an image set.

    Attributes:
        images: Number of scored images.
        loss: Mean cross-entropy in nats, with probabilities clipped to [1e-7, 1 - 1e-7] as in Keras.
        class_metrics: Metrics of each class.
        confusion: Number of images of class i (row) predicted as class j (column); empty with more than
            `class_counts.MATRIX_CLASSES` classes.
        confusions: The most frequent kinds of mistakes, descending; none with more than `class_counts.PAIR_CLASSES`
            classes.
        calibration: How well the probabilities match the accuracy.
        top_5_accuracy: Fraction of images whose class is among the five most probable ones; None with up to 5 classes.
        roc: ROC curve; None if the set has images of one class only.
        live: Comparison with the live model; None without one.
    """

    images: int
    loss: float
    class_metrics: Sequence[ClassMetrics]
    confusion: tuple[tuple[int, ...], ...]
    calibration: Calibration
    confusions: tuple[Confusion, ...] = ()
    top_5_accuracy: float | None = None
    roc: RocCurve | None = None
    live: LiveComparison | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names."""
        return tuple(one.name for one in self.class_metrics)

    @property
    def mistakes(self) -> int:
        """Number of misclassified images."""
        return self.images - sum(one.right for one in self.class_metrics)

    @property
    def accuracy(self) -> float:
        """0 to 1."""
        return sum(one.right for one in self.class_metrics) / self.images

    @property
    def metrics(self) -> dict[str, float]:
        """All metrics but accuracy and loss, by their names in Kubeflow and `check.json`."""
        found = {
            "macro_f1": macro_f1(self.class_metrics),
            "worst_recall": worst_class(self.class_metrics).recall,
            "ece": self.calibration.error,
            "top_5_accuracy": self.top_5_accuracy,
            "roc_auc": self.roc.area if self.roc else None,
        }
        return {name: value for name, value in found.items() if value is not None}

    @property
    def scores(self) -> dict[str, object]:
        """What the quality gate judges, as JSON."""
        judged = {"accuracy": self.accuracy, **{name: self.metrics[name] for name in ("macro_f1", "worst_recall")}}
        return {**judged, "live": asdict(self.live)} if self.live else {**judged}
