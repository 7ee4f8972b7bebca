"""What running a job needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from azureml_emulator.jobs.runs import Runs
from azureml_emulator.settings import Settings
from azureml_emulator.storage.blobs import Blobs
from azureml_emulator.store import Store
from azureml_emulator.tokens import Tokens


@dataclass(frozen=True)
class OutputAsset:
    """An output of a job that becomes a data asset or a model.

    Attributes:
        name: The asset's name.
        version: Its version; None for the next one.
        type: One of `DATA_TYPES`.
        uri: Location of its files.
        job: The run that made it.
    """

    name: str
    version: str | None
    type: str
    uri: str
    job: str


@dataclass(frozen=True)
class JobContext:
    """The parts of the emulator that jobs use.

    Attributes:
        register_output: Registers an output as an asset; raises ArmError if it cannot.
    """

    settings: Settings
    store: Store
    blobs: Blobs
    tokens: Tokens
    runs: Runs
    register_output: Callable[[OutputAsset], Awaitable[None]]
