"""Forced behaviours: deployments answer with a given status, body or delay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any


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


def behaviour_from_dict(document: Mapping[str, Any]) -> Behaviour:
    """Read what `to_dict` wrote.

    Raises:
        ValueError: If a field is unknown or invalid.
    """
    try:
        return Behaviour(**document)
    except TypeError as error:
        raise ValueError(f"behaviour: {error}") from None


class Behaviours:
    """The forced behaviours, and the number of requests of each deployment."""

    def __init__(self) -> None:
        self._behaviours: list[Behaviour] = []
        self._requests: Counter[tuple[str, str]] = Counter()

    @property
    def behaviours(self) -> list[Behaviour]:
        """The behaviours, in their order."""
        return list(self._behaviours)

    def set(self, behaviours: Iterable[Behaviour]) -> None:
        """Replace the behaviours and restart counting."""
        self._behaviours = list(behaviours)
        self._requests.clear()

    def next(self, endpoint: str, deployment: str) -> Behaviour | None:
        """Count a request; return the first behaviour that applies, or None."""
        self._requests[endpoint, deployment] += 1
        number = self._requests[endpoint, deployment]
        for behaviour in self._behaviours:
            if (
                fnmatchcase(endpoint, behaviour.endpoint)
                and fnmatchcase(deployment, behaviour.deployment)
                and behaviour.applies(number)
            ):
                return behaviour
        return None
