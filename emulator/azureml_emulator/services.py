"""What the request handlers work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from azureml_emulator.blobs import Blobs
from azureml_emulator.identity import Tokens
from azureml_emulator.inference import InferenceServers
from azureml_emulator.jobs.runner import JobRunner
from azureml_emulator.jobs.runs import Runs
from azureml_emulator.operations import Operations
from azureml_emulator.settings import Settings
from azureml_emulator.store import Store


@dataclass(frozen=True)
class Services:
    """The parts of one running emulator."""

    settings: Settings
    store: Store
    operations: Operations
    tokens: Tokens
    blobs: Blobs
    servers: InferenceServers
    runs: Runs
    jobs: JobRunner


def services(request: Request) -> Services:
    """Find the emulator a request came to.

    Args:
        request: Any request to its app.

    Returns:
        Its parts.
    """
    return cast(Services, request.app.state.services)
