"""What a model has to reach to be registered."""

from __future__ import annotations

from dataclasses import dataclass

from kfp_azureml.runtime.errors import PipelineError

METRICS = ("accuracy", "macro_f1", "worst_recall")


@dataclass(frozen=True)
class GateSettings:
    """What a model has to reach.

    Attributes:
        min_accuracy: Minimum for the metric accuracy, 0 to 1.
        metric: One of `METRICS`.
        min_metric: Minimum for another metric, 0 to 1.
        min_improvement: How much better than the live model it has to be, -1 to 1.

    Raises:
        PipelineError: If a value is invalid.
    """

    min_accuracy: float
    metric: str = "accuracy"
    min_metric: float = 0.0
    min_improvement: float = 0.0

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise PipelineError(f"metric {self.metric!r}: expected one of {', '.join(METRICS)}")
        for name in ("min_accuracy", "min_metric"):
            if not 0 <= getattr(self, name) <= 1:
                raise PipelineError(f"{name} is {getattr(self, name):g}; expected a number from 0 to 1")
        if not -1 <= self.min_improvement <= 1:
            raise PipelineError(f"min_improvement is {self.min_improvement:g}; expected a number from -1 to 1")
        if self.metric == "accuracy" and self.min_metric:
            raise PipelineError("min_metric is for metrics other than accuracy: set min_accuracy")

    @property
    def minimum(self) -> float:
        """The minimum of the metric."""
        return self.min_accuracy if self.metric == "accuracy" else self.min_metric

    def check_decides(self, *, compare_with_live: bool) -> None:
        """Check that each setting has an effect in a pipeline, and that the gate does not accept every model.

        A minimum accuracy of 0 says so on purpose; the minimum of another metric is 0 if it is forgotten.

        Raises:
            PipelineError: If a setting has none, or the gate does.
        """
        if self.min_improvement and not compare_with_live:
            raise PipelineError(
                "min_improvement is set, but the live model is not compared: set compare_with_live=true, or omit it"
            )
        # Also with a comparison: there may be no live model, or one that cannot be compared.
        if self.metric != "accuracy" and not self.min_metric:
            raise PipelineError(f"metric={self.metric} without a minimum accepts every model: set min_metric")
