"""The request context: the parts of the running emulator that handlers use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from starlette.requests import Request

from azureml_emulator.arm.operations import Operations
from azureml_emulator.arm.transitions import Transitions
from azureml_emulator.databricks.service import Databricks
from azureml_emulator.jobs.runner import JobRunner
from azureml_emulator.jobs.runs import Runs
from azureml_emulator.scoring.inference_server import InferenceServers
from azureml_emulator.scoring.metrics import RequestMetrics
from azureml_emulator.scoring.mirroring import Mirror
from azureml_emulator.settings import Settings
from azureml_emulator.storage.blobs import Blobs
from azureml_emulator.store import Store
from azureml_emulator.test_control.behaviours import Behaviours
from azureml_emulator.test_control.denied_actions import DeniedActions
from azureml_emulator.test_control.faults import FaultPlan
from azureml_emulator.test_control.recording import Recorder
from azureml_emulator.tokens import Tokens
from azureml_emulator.tracking.records import Records


@dataclass(frozen=True)
class Context:
    """The parts of one running emulator."""

    settings: Settings
    store: Store
    transitions: Transitions
    operations: Operations
    tokens: Tokens
    blobs: Blobs
    servers: InferenceServers
    runs: Runs
    jobs: JobRunner
    records: Records
    databricks: Databricks
    recorder: Recorder = field(default_factory=Recorder)
    faults: FaultPlan = field(default_factory=FaultPlan)
    behaviours: Behaviours = field(default_factory=Behaviours)
    denied: DeniedActions = field(default_factory=DeniedActions)
    metrics: RequestMetrics = field(default_factory=RequestMetrics)
    mirror: Mirror = field(default_factory=Mirror)
    cluster_port: int = 80
    """Port of the attached clusters' endpoints on 127.0.0.1."""


def context_of(request: Request) -> Context:
    """Return the context of the emulator that got a request."""
    return cast(Context, request.app.state.context)
