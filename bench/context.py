"""What a measurement is given: how much of everything, where to work, and how to say what it does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
OURS = Path(sys.executable)
STEP = (OURS.with_name("kfp-azureml"), "step")
BASELINE = REPOSITORY / ".cache" / "bench" / "venv" / "bin" / "python"
"""The interpreter with requirements/bench.txt, apart from ours: what is installed changes what libraries import."""


@dataclass(frozen=True)
class Scale:
    """How much a measurement does.

    Attributes:
        images: Training and test images; the first of Fashion-MNIST's, (60,000, 10,000) being all.
        repeats: How often each side of a cheap comparison runs.
        factors: How many times the data the large runs of prep have.
        seeds: With which each training is done.
        baseline_epochs: How long the baseline trains.
        epochs_to_accuracy: How long ours trains to reach the baseline's accuracy.
        epochs_for_budget: How long ours trains with the baseline's user CPU.
        requests: To an endpoint, of each kind of load.
        model_bytes: The size of the model that is registered.
        emulator_seconds: How long the local Azure ML is asked.
        emulator_models: How many models are listed.
        upload_bytes: The size of the model that is uploaded to it.
        run_options: Of `kfp-azureml run`.
    """

    images: tuple[int, int]
    repeats: int
    factors: tuple[int, ...]
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
    """What a measurement is given.

    Attributes:
        scale: How much to do.
        work: An empty folder for what it makes.
        say: Tells the user what is going on.
    """

    scale: Scale
    work: Path
    say: Callable[[str], None]
