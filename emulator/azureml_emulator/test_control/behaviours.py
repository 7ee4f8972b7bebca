"""Scoring on order: how deployments answer in place of their models, for tests of what follows from that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """How some deployments answer from some request on, counted by deployment from when the behaviours were set.

    Attributes:
        endpoint: A glob over the endpoint's name.
        deployment: A glob over the deployment's name.
        from_request: The first request that is answered so.
        every: It and each `every`th after it are; the model answers the others.
        status: The status the container answers with; None for the model's own answer.
        body: The JSON it answers with, where a status is given.
        delay_seconds: How long the container takes.
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
            raise ValueError(f"from_request and every count from 1, not {self.from_request} and {self.every}")
        if self.status is not None and not 200 <= self.status <= 599:
            raise ValueError(f"status must be from 200 to 599, not {self.status}")
        if self.delay_seconds < 0:
            raise ValueError(f"delay_seconds must not be negative: {self.delay_seconds:g}")

    def applies(self, number: int) -> bool:
        """Say whether a deployment's request is answered so.

        Args:
            number: The how many'th request of the deployment it is.

        Returns:
            Whether it is.
        """
        return number >= self.from_request and (number - self.from_request) % self.every == 0

    def to_dict(self) -> dict[str, Any]:
        """Write it as the control API has it."""
        return asdict(self)


def behaviour_from_dict(document: Mapping[str, Any]) -> Behaviour:
    """Read what `to_dict` wrote.

    Args:
        document: The behaviour as the control API has it.

    Returns:
        The behaviour.

    Raises:
        ValueError: If there is no such behaviour.
    """
    try:
        return Behaviour(**document)
    except TypeError as error:
        raise ValueError(f"behaviour: {error}") from None


class Behaviours:
    """The behaviours on order, and how many requests each deployment has had."""

    def __init__(self) -> None:
        self._behaviours: list[Behaviour] = []
        self._requests: Counter[tuple[str, str]] = Counter()

    @property
    def behaviours(self) -> list[Behaviour]:
        """The behaviours, in their order."""
        return list(self._behaviours)

    def set(self, behaviours: Iterable[Behaviour]) -> None:
        """Replace the behaviours, and begin to count.

        Args:
            behaviours: The new ones; with none, all models answer themselves.
        """
        self._behaviours = list(behaviours)
        self._requests.clear()

    def next(self, endpoint: str, deployment: str) -> Behaviour | None:
        """Count a request to a deployment, and say how it is answered.

        Args:
            endpoint: The endpoint's name.
            deployment: The deployment's name.

        Returns:
            The first behaviour that applies, or None: the model answers.
        """
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
