"""Injected faults: which requests they hit; hosts/fault_injection.py applies them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Which matching requests a fault hits, counted since the plan was set.

    Attributes:
        kind: Its name in the control API and in recorded requests.
        method: The HTTP method; `*` for any.
        path: Glob for the recorded target: host and path, for blob requests with `?comp=...`.
        nth: The first matching request that is hit, from 1.
        times: How many in a row are hit; None for all from there on.
    """

    kind: ClassVar[str]

    method: str = "*"
    path: str = "*"
    nth: int = 1
    times: int | None = 1

    def __post_init__(self) -> None:
        if self.nth < 1 or (self.times is not None and self.times < 1):
            raise ValueError(f"nth and times must be at least 1, not {self.nth} and {self.times}")

    def matches(self, method: str, target: str) -> bool:
        """Return whether a request counts for this fault."""
        return self.method in ("*", method) and fnmatchcase(target, self.path)

    def hits(self, number: int) -> bool:
        """Return whether the n-th matching request is hit."""
        return self.nth <= number and (self.times is None or number < self.nth + self.times)

    def to_dict(self) -> dict[str, Any]:
        """Write it in the control API's form."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class Answer(Fault):
    """An error response in the host's own form, or another given response.

    Attributes:
        status: The HTTP status. Use 409 for an operation in progress.
        code: The error code; by default the usual one for the status.
        message: The error message.
        headers: More headers, such as `Retry-After`.
        body: Replaces the error body.
        after_effect: Perform the request first.
    """

    kind = "answer"

    status: int = 500
    code: str = ""
    message: str = "Injected fault."
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    after_effect: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 200 <= self.status <= 599:
            raise ValueError(f"status must be from 200 to 599, not {self.status}")


@dataclass(frozen=True, kw_only=True)
class Reset(Fault):
    """No response.

    Attributes:
        after_effect: Perform the request, then close the connection; else send a TCP reset once the request was read.
    """

    kind = "reset"

    after_effect: bool = False


@dataclass(frozen=True, kw_only=True)
class Truncate(Fault):
    """The response with half its body; then the connection closes."""

    kind = "truncate"


@dataclass(frozen=True, kw_only=True)
class Delay(Fault):
    """A delayed response.

    Attributes:
        seconds: Delay before the request is handled.
    """

    kind = "delay"

    seconds: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seconds < 0:
            raise ValueError(f"seconds must not be negative: {self.seconds:g}")


@dataclass(frozen=True, kw_only=True)
class ExpireToken(Fault):
    """The request's token expires (401), also for later requests.

    An endpoint's key, a SAS and a client secret are refused only this once.
    """

    kind = "expire-token"


@dataclass(frozen=True, kw_only=True)
class EndOperation(Fault):
    """The long-running operation of the request fails without doing its work.

    Attributes:
        status: `Failed` or `Canceled`.
        code: The error code, such as `ImageBuildFailure`, `ResourceNotReady` or `OutOfQuota`.
        message: The error message.
    """

    kind = "end-operation"

    status: Literal["Failed", "Canceled"] = "Failed"
    code: str = "InternalServerError"
    message: str = "Injected fault."

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.status not in ("Failed", "Canceled"):
            raise ValueError(f"status must be Failed or Canceled, not {self.status}")


@dataclass(frozen=True, kw_only=True)
class HoldOperation(Fault):
    """The operation of the request stays in progress until it is released.

    The control API releases it, and then its work is done; deleting its resource or a reset cancels it.
    """

    kind = "hold-operation"


@dataclass(frozen=True, kw_only=True)
class Hide(Fault):
    """What the request puts stays invisible: the next reads get 404.

    Attributes:
        reads: Number of such reads.
    """

    kind = "hide"

    reads: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reads < 1:
            raise ValueError(f"reads must be at least 1, not {self.reads}")


KINDS: dict[str, type[Fault]] = {
    fault.kind: fault for fault in (Answer, Reset, Truncate, Delay, ExpireToken, EndOperation, HoldOperation, Hide)
}


def fault_from_dict(document: Mapping[str, Any]) -> Fault:
    """Read what `to_dict` wrote.

    Raises:
        ValueError: If the kind or a field is unknown or invalid.
    """
    fields = dict(document)
    kind = fields.pop("kind", None)
    if kind not in KINDS:
        raise ValueError(f"unknown fault {kind!r}; known are {', '.join(KINDS)}")
    try:
        return KINDS[kind](**fields)
    except TypeError as error:
        raise ValueError(f"fault {kind!r}: {error}") from None


class FaultPlan:
    """The faults, and the number of matching requests of each."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._counts: list[int] = []
        self._hidden: dict[str, int] = {}

    @property
    def faults(self) -> list[Fault]:
        """The faults, in their order."""
        return list(self._faults)

    def set(self, faults: Iterable[Fault]) -> None:
        """Replace the plan and restart counting."""
        self._faults = list(faults)
        self._counts = [0] * len(self._faults)
        self._hidden.clear()

    def next(self, method: str, target: str) -> Fault | None:
        """Count a request; return the first fault that hits it, or None."""
        hit: Fault | None = None
        for index, fault in enumerate(self._faults):
            if fault.matches(method, target):
                self._counts[index] += 1
                if hit is None and fault.hits(self._counts[index]):
                    hit = fault
        return hit

    def hide(self, target: str, reads: int) -> None:
        """Answer the next reads of a target with 404."""
        self._hidden[target.lower()] = reads

    def hides(self, method: str, target: str) -> bool:
        """Return whether a request reads a hidden target, and count it."""
        left = self._hidden.get(target.lower(), 0)
        if method != "GET" or not left:
            return False
        self._hidden[target.lower()] = left - 1
        return True
