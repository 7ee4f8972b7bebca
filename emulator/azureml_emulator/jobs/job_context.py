"""What running a job needs."""

from __future__ import annotations

from dataclasses import dataclass

from azureml_emulator.jobs.runs import Runs
from azureml_emulator.settings import Settings
from azureml_emulator.storage.blobs import Blobs
from azureml_emulator.store import Store
from azureml_emulator.tokens import Tokens


@dataclass(frozen=True)
class JobContext:
    """The parts of the emulator that jobs use."""

    settings: Settings
    store: Store
    blobs: Blobs
    tokens: Tokens
    runs: Runs
