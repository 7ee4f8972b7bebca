"""Faults on order: which requests they hit. What they do to these is in hosts/fault_injection.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Which requests a fault hits: some of those that match, counted from when the plan was set.

    Attributes:
        kind: Its name in the control API and in recorded requests.
        method: The HTTP method, `*` for any.
        path: A glob over the request's target, as recorded: host and path, and of a blob request `?comp=...`.
        nth: The first matching request that is hit.
        times: How many in a row are; None for all from there on.
    """

    kind: ClassVar[str]

    method: str = "*"
    path: str = "*"
    nth: int = 1
    times: int | None = 1

    def __post_init__(self) -> None:
        if self.nth < 1 or (self.times is not None and self.times < 1):
            raise ValueError(f"nth and times count from 1, not {self.nth} and {self.times}")

    def matches(self, method: str, target: str) -> bool:
        """Say whether a request counts for this fault.

        Args:
            method: Its HTTP method.
            target: Its target.

        Returns:
            Whether it does.
        """
        return self.method in ("*", method) and fnmatchcase(target, self.path)

    def hits(self, number: int) -> bool:
        """Say whether a matching request is hit.

        Args:
            number: The how many'th matching request it is.

        Returns:
            Whether it is hit.
        """
        return self.nth <= number and (self.times is None or number < self.nth + self.times)

    def to_dict(self) -> dict[str, Any]:
        """Write it as the control API has it."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class Answer(Fault):
    """Another answer than the emulator's own, which looks like one of the host's own errors unless a body is given.

    Attributes:
        status: The HTTP status. 409 is what a client gets while another operation is in progress.
        code: The error's code; by default one that goes with the status.
        message: The error's message.
        headers: More headers, such as `Retry-After`.
        body: A body in place of an error's.
        after_effect: Do first what was asked.
    """

    kind = "answer"

    status: int = 500
    code: str = ""
    message: str = "A fault on order."
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    after_effect: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 200 <= self.status <= 599:
            raise ValueError(f"status must be from 200 to 599, not {self.status}")


@dataclass(frozen=True, kw_only=True)
class Reset(Fault):
    """No answer: a TCP reset once the request has come, or the end of the connection when it has had its effect.

    Attributes:
        after_effect: The latter.
    """

    kind = "reset"

    after_effect: bool = False


@dataclass(frozen=True, kw_only=True)
class Truncate(Fault):
    """The emulator's own answer, half its body: then the connection ends."""

    kind = "truncate"


@dataclass(frozen=True, kw_only=True)
class Delay(Fault):
    """The emulator's own answer, late.

    Attributes:
        seconds: How long the request lies before anything is done.
    """

    kind = "delay"

    seconds: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seconds < 0:
            raise ValueError(f"seconds must not be negative: {self.seconds:g}")


@dataclass(frozen=True, kw_only=True)
class ExpireToken(Fault):
    """The request's token is refused as expired (401), now and later; one that is issued after that works.

    An endpoint's key, a SAS and a client secret are refused this once.
    """

    kind = "expire-token"


@dataclass(frozen=True, kw_only=True)
class EndOperation(Fault):
    """The long-running operation that the request starts ends badly, and its work is not done.

    Attributes:
        status: `Failed` or `Canceled`.
        code: The failure's code, such as `ImageBuildFailure`, `ResourceNotReady` or `OutOfQuota`.
        message: Its message.
    """

    kind = "end-operation"

    status: Literal["Failed", "Canceled"] = "Failed"
    code: str = "InternalServerError"
    message: str = "A fault on order."

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.status not in ("Failed", "Canceled"):
            raise ValueError(f"status must be Failed or Canceled, not {self.status}")


@dataclass(frozen=True, kw_only=True)
class HoldOperation(Fault):
    """The long-running operation that the request starts goes on until it is released: by itself, never.

    The control API releases it, and then its work is done; a deletion of its resource or a reset cancels it.
    """

    kind = "hold-operation"


@dataclass(frozen=True, kw_only=True)
class Hide(Fault):
    """What the request puts does not show at once: reading it is answered with 404 for a while.

    Attributes:
        reads: How many reads it takes.
    """

    kind = "hide"

    reads: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reads < 1:
            raise ValueError(f"reads counts from 1, not {self.reads}")


KINDS: dict[str, type[Fault]] = {
    fault.kind: fault for fault in (Answer, Reset, Truncate, Delay, ExpireToken, EndOperation, HoldOperation, Hide)
}


def fault_from_dict(document: Mapping[str, Any]) -> Fault:
    """Read what `to_dict` wrote.

    Args:
        document: The fault as the control API has it.

    Returns:
        The fault.

    Raises:
        ValueError: If there is no such fault.
    """
    fields = dict(document)
    kind = fields.pop("kind", None)
    if kind not in KINDS:
        raise ValueError(f"there is no fault {kind!r}, but {', '.join(KINDS)}")
    try:
        return KINDS[kind](**fields)
    except TypeError as error:
        raise ValueError(f"fault {kind!r}: {error}") from None


class FaultPlan:
    """The faults on order, and how many requests each has counted."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._counts: list[int] = []
        self._hidden: dict[str, int] = {}

    @property
    def faults(self) -> list[Fault]:
        """The faults, in their order."""
        return list(self._faults)

    def set(self, faults: Iterable[Fault]) -> None:
        """Replace the plan, and begin to count.

        Args:
            faults: The new plan; an empty one leaves all requests alone.
        """
        self._faults = list(faults)
        self._counts = [0] * len(self._faults)
        self._hidden.clear()

    def next(self, method: str, target: str) -> Fault | None:
        """Count a request, and say what hits it.

        Args:
            method: Its HTTP method.
            target: Its target.

        Returns:
            The first fault of the plan that hits it, or None.
        """
        hit: Fault | None = None
        for index, fault in enumerate(self._faults):
            if fault.matches(method, target):
                self._counts[index] += 1
                if hit is None and fault.hits(self._counts[index]):
                    hit = fault
        return hit

    def hide(self, target: str, reads: int) -> None:
        """Keep a resource from being read.

        Args:
            target: Its target, as recorded.
            reads: How many reads find nothing.
        """
        self._hidden[target.lower()] = reads

    def hides(self, method: str, target: str) -> bool:
        """Count a read of what is hidden.

        Args:
            method: The request's HTTP method.
            target: Its target.

        Returns:
            Whether the request finds nothing.
        """
        left = self._hidden.get(target.lower(), 0)
        if method != "GET" or not left:
            return False
        self._hidden[target.lower()] = left - 1
        return True
