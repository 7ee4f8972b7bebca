"""The scale of a measurement, and the interpreters of both sides."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
OURS = Path(sys.executable)
STEP = (OURS.with_name("kfp-azureml"), "step")
"""The command that runs a component, followed by its name and options."""
BASELINE = REPOSITORY / ".cache" / "bench" / "venv" / "bin" / "python"
"""The interpreter with requirements/bench.txt, separate because installed packages change what libraries import."""


@dataclass(frozen=True)
class Scale:
    """Size of a measurement.

    Attributes:
        images: Number of training and test images, the first of Fashion-MNIST's; (60,000, 10,000) is all.
        repeats: Runs of each side in a cheap comparison.
        factors: Multiples of the data in the large runs of prep.
        photos: Number of photographs; a twentieth is 1x.
        seeds: Seeds of the trainings.
        baseline_epochs: Epochs of the baseline's training.
        epochs_to_accuracy: Epochs in which ours reaches the baseline's accuracy.
        epochs_for_budget: Epochs in which ours uses the baseline's user CPU.
        requests: Requests to an endpoint, for each kind of load.
        model_bytes: Size of the registered model.
        emulator_seconds: Duration of the load on the emulator.
        emulator_models: Number of listed models.
        upload_bytes: Size of the model that is uploaded to the emulator.
        run_options: Options for `kfp-azureml run`.
    """

    images: tuple[int, int]
    repeats: int
    factors: tuple[int, ...]
    photos: int
    seeds: tuple[int, ...]
    baseline_epochs: int
    epochs_to_accuracy: int
    epochs_for_budget: int
    requests: int
    model_bytes: int
    emulator_seconds: float
    emulator_models: int
    upload_bytes: int
    run_options: str


@dataclass(frozen=True)
class Context:
    """What a measurement receives.

    Attributes:
        scale: Its size.
        work: An empty folder for its files.
        say: Prints a progress message.
    """

    scale: Scale
    work: Path
    say: Callable[[str], None]
