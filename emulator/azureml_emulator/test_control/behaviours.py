"""Forced behaviours: of deployments, which answer with a given status, body or delay, and of Databricks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from azureml_emulator.test_control.databricks_behaviours import ClusterBehaviour, RunBehaviour


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """How matching deployments answer, counted per deployment since it was set.

    Attributes:
        endpoint: Glob for the endpoint's name.
        deployment: Glob for the deployment's name.
        from_request: The first request it applies to, from 1.
        every: It applies to every n-th request from there; the model answers the others.
        status: The container's status; None keeps the model's own response.
        body: The JSON body, if a status is given.
        delay_seconds: Delay of the response.
    """

    endpoint: str = "*"
    deployment: str = "*"
    from_request: int = 1
    every: int = 1
    status: int | None = None
    body: Any = None
    delay_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.from_request < 1 or self.every < 1:
            raise ValueError(f"from_request and every must be at least 1, not {self.from_request} and {self.every}")
        if self.status is not None and not 200 <= self.status <= 599:
            raise ValueError(f"status must be from 200 to 599, not {self.status}")
        if self.delay_seconds < 0:
            raise ValueError(f"delay_seconds must not be negative: {self.delay_seconds:g}")

    def applies(self, number: int) -> bool:
        """Return whether it applies to a deployment's n-th request."""
        return number >= self.from_request and (number - self.from_request) % self.every == 0

    def to_dict(self) -> dict[str, Any]:
        """Write it in the control API's form."""
        return asdict(self)


AnyBehaviour = Behaviour | RunBehaviour | ClusterBehaviour
KINDS: dict[str, type[AnyBehaviour]] = {
    "deployment": Behaviour,
    RunBehaviour.kind: RunBehaviour,
    ClusterBehaviour.kind: ClusterBehaviour,
}


def behaviour_from_dict(document: Mapping[str, Any]) -> AnyBehaviour:
    """Read what `to_dict` wrote; without `kind` it is a deployment's.

    Raises:
        ValueError: If the kind or a field is unknown or invalid.
    """
    fields = dict(document)
    kind = fields.pop("kind", "deployment")
    if kind not in KINDS:
        raise ValueError(f"unknown behaviour {kind!r}; known are {', '.join(KINDS)}")
    try:
        return KINDS[kind](**fields)
    except TypeError as error:
        raise ValueError(f"behaviour: {error}") from None


class Behaviours:
    """The forced behaviours, and the number of requests of each deployment."""

    def __init__(self) -> None:
        self._behaviours: list[AnyBehaviour] = []
        self._requests: Counter[tuple[str, str]] = Counter()

    @property
    def behaviours(self) -> list[AnyBehaviour]:
        """The behaviours, in their order."""
        return list(self._behaviours)

    def set(self, behaviours: Iterable[AnyBehaviour]) -> None:
        """Replace the behaviours and restart counting."""
        self._behaviours = list(behaviours)
        self._requests.clear()

    def next(self, endpoint: str, deployment: str) -> Behaviour | None:
        """Count a request; return the first behaviour that applies, or None."""
        self._requests[endpoint, deployment] += 1
        number = self._requests[endpoint, deployment]
        for behaviour in self._behaviours:
            if (
                isinstance(behaviour, Behaviour)
                and fnmatchcase(endpoint, behaviour.endpoint)
                and fnmatchcase(deployment, behaviour.deployment)
                and behaviour.applies(number)
            ):
                return behaviour
        return None

    def run(self, name: str) -> RunBehaviour | None:
        """Return the first behaviour for a Databricks run of this name, or None."""
        runs = (each for each in self._behaviours if isinstance(each, RunBehaviour))
        return next((each for each in runs if each.applies(name)), None)

    def cluster(self, name: str) -> ClusterBehaviour | None:
        """Return the first behaviour for a Databricks cluster of this name, or None."""
        clusters = (each for each in self._behaviours if isinstance(each, ClusterBehaviour))
        return next((each for each in clusters if each.applies(name)), None)
