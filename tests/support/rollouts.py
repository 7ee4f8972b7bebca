"""What a roll-out needs in a test: a desired, and a container that answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from azure_workspace import Workspace
from kfp_azureml.azureml.rollout.desired_state import DesiredState, Machines, Serving
from kfp_azureml.azureml.rollout.probe import Probe
from kfp_azureml.azureml.rollout.strategy import Limits, Strategy
from kfp_azureml.components import aml_deploy_model
from kfp_azureml.runtime.errors import DeploymentError

PROBE = Probe(b"all", parts=(Probe(b"one"),))


def desired_state(**changes: Any) -> DesiredState:
    """Return the plan of deployment `green` on endpoint `fashion`."""
    settings: dict[str, Any] = {
        "endpoint": "fashion",
        "deployment": "green",
        "model_id": "/models/m/1",
        "model": "m:1",
        "serving": Serving(None, "score.py", None),
        "machines": make_machines(),
        "fingerprint": "print",
        "run_id": "run-7",
    }
    return DesiredState(**settings | changes)


def make_machines(**changes: Any) -> Machines:
    """Return machines with the component's defaults."""
    return Machines(**_defaults("compute", "instance_type", "instance_count") | changes)


def make_limits(**changes: Any) -> Limits:
    """Return limits with the component's defaults."""
    return Limits(**_defaults("min_sample_accuracy", "max_error_rate", "max_latency_ms") | changes)


def make_strategy(name: str = "blue-green", **changes: Any) -> Strategy:
    """Return a strategy with the component's defaults."""
    settings = _defaults("traffic_steps", "mirror_percent", "soak_seconds", "keep_previous")
    return Strategy(name, **{"limits": make_limits()} | settings | changes)


def _defaults(*names: str) -> dict[str, Any]:
    return {name: aml_deploy_model.component_spec.inputs[name].default for name in names}


@dataclass(frozen=True)
class Asked:
    """A question that was asked.

    Attributes:
        deployment: Whom.
        how: `aimed` at it and tried again, `traffic`: by the endpoint's traffic, or `once`.
        share: Its share of the live traffic at that moment.
        mirrored: Its share of the mirrored traffic.
    """

    deployment: str
    how: str
    share: int
    mirrored: int


class Answers:
    """Asks a double of Azure, in place of `ScoringClient`; all answers are right unless a test says otherwise.

    Attributes:
        asked: What was asked.
        fault: Says what is wrong with an answer, or does something at that moment.
    """

    def __init__(self, azure: Workspace, fault: Callable[[Asked], str | None] = lambda _asked: None) -> None:
        self.azure, self.fault = azure, fault
        self.asked: list[Asked] = []
        self.uri = "https://fashion.region.inference.ml.azure.com/score"
        self.timeout_seconds = 60.0

    def send(self, _question: Probe, deployment: str, *, by_traffic: bool = False) -> None:
        fault = self._ask(deployment, "traffic" if by_traffic else "aimed")
        if fault:
            raise DeploymentError(f"deployment {deployment}: {fault}")

    def send_once(self, _client: object, _question: Probe, deployment: str) -> str | None:
        return self._ask(deployment, "once")

    @property
    def shares(self) -> list[tuple[str, int]]:
        """How the deployment was asked at which share, each once."""
        return list(dict.fromkeys((asked.how, asked.share) for asked in self.asked))

    def _ask(self, deployment: str, how: str) -> str | None:
        endpoint = self.azure.endpoint() if self.azure.has_endpoint() else None
        share = endpoint.traffic.get(deployment, 0) if endpoint else 0
        mirrored = endpoint.mirror_traffic.get(deployment, 0) if endpoint else 0
        self.asked.append(Asked(deployment, how, share, mirrored))
        return self.fault(self.asked[-1])
