"""Training metrics by epoch, and the HTML page that plots them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TEMPLATE = Path(__file__).with_name("history.html.j2")


@dataclass(frozen=True)
class Epoch:
    """Metrics of one epoch.

    Attributes:
        number: Epoch number, from 1.
        loss: Mean cross-entropy on the training images in nats, during training, without label smoothing.
        accuracy: Accuracy on the training images, 0 to 1, during training.
        validation_loss: Mean cross-entropy on the validation images in nats, after the epoch; None without a split.
        validation_accuracy: Accuracy on the validation images, 0 to 1; None without a split.
        seconds: Duration.
    """

    number: int
    loss: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float

    def metrics(self) -> dict[str, float]:
        """Return the metrics that are not None, by name."""
        values = {
            "loss": self.loss,
            "accuracy": self.accuracy,
            "validation_loss": self.validation_loss,
            "validation_accuracy": self.validation_accuracy,
        }
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Curve:
    """One line of a chart.

    Attributes:
        kind: `training` or `validation`, the CSS class.
        points: (x, y) in the chart's units, x to the right, y down.
    """

    kind: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Chart:
    """A metric over the epochs, in units of a 100 by 100 plotting area.

    Attributes:
        title: Name of the metric.
        ticks: (position, label) on the vertical axis; the position from 0, the top, to 100.
        epochs: (position, label) on the horizontal axis.
        curves: Training and, with a split, validation.
    """

    title: str
    ticks: tuple[tuple[float, str], ...]
    epochs: tuple[tuple[float, str], ...]
    curves: tuple[Curve, ...]


def write_history(path: Path, title: str, epochs: Sequence[Epoch], kept: Epoch) -> None:
    """Write charts and a table of loss and accuracy as one self-contained HTML page.

    Args:
        path: The page.
        title: Its title.
        epochs: All epochs.
        kept: The one whose weights the model has.
    """
    from jinja2 import Environment, StrictUndefined

    charts = [
        _chart("Loss", epochs, [epoch.loss for epoch in epochs], [epoch.validation_loss for epoch in epochs]),
        _chart(
            "Accuracy", epochs, [epoch.accuracy for epoch in epochs], [epoch.validation_accuracy for epoch in epochs]
        ),
    ]
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(TEMPLATE.read_text())
    path.write_text(template.render(title=title, charts=charts, epochs=epochs, kept=kept))


def _chart(title: str, epochs: Sequence[Epoch], training: Sequence[float], validation: Sequence[float | None]) -> Chart:
    known = {"training": list(training), "validation": [value for value in validation if value is not None]}
    values = known["training"] + known["validation"]
    low, high = min(values), max(values)
    span = (high - low) or 1.0

    def x(index: int) -> float:
        return round(100 * index / (len(epochs) - 1), 2) if len(epochs) > 1 else 50.0

    def y(value: float) -> float:
        return round(100 * (high - value) / span, 2)

    tick_step = -(-len(epochs) // 10)
    return Chart(
        title=title,
        ticks=tuple((y(value), f"{value:.3f}") for value in (high, (high + low) / 2, low)),
        epochs=tuple((x(index), str(epoch.number)) for index, epoch in enumerate(epochs) if index % tick_step == 0),
        curves=tuple(
            Curve(kind, tuple((x(index), y(value)) for index, value in enumerate(line)))
            for kind, line in known.items()
            if line
        ),
    )
