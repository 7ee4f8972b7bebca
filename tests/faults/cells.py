"""The fault matrix: every request of every scenario with every fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from azureml_emulator.test_control.faults import (
    Answer,
    Delay,
    EndOperation,
    ExpireToken,
    Fault,
    Hide,
    HoldOperation,
    Reset,
    Truncate,
)
from requests_of import Asked, recorded
from scenarios import SCENARIOS

FAULTS: dict[str, Callable[..., Fault]] = {
    "429 with Retry-After": lambda **at: Answer(status=429, headers={"Retry-After": "1"}, **at),
    "500": lambda **at: Answer(status=500, **at),
    "503": lambda **at: Answer(status=503, **at),
    "409 in progress": lambda **at: Answer(status=409, **at),
    "reset before": lambda **at: Reset(**at),
    "reset after": lambda **at: Reset(after_effect=True, **at),
    "slow": lambda **at: Delay(seconds=0.3, **at),
    "truncated": lambda **at: Truncate(**at),
    "401 expired": lambda **at: ExpireToken(**at),
}
# Once per kind of request, from the first one on.
LASTING_FAULTS: dict[str, Callable[..., Fault]] = {
    "503 for ever": lambda **at: Answer(status=503, times=None, **at),
    "403 for ever": lambda **at: Answer(status=403, times=None, **at),
}
# Faults of operations that a PUT or DELETE of an endpoint or deployment starts.
OPERATION_FAULTS: dict[str, Callable[..., Fault]] = {
    "operation fails": lambda **at: EndOperation(code="ResourceNotReady", **at),
    "image build fails": lambda **at: EndOperation(code="ImageBuildFailure", **at),
    "no quota": lambda **at: EndOperation(code="OutOfQuota", **at),
    "operation canceled": lambda **at: EndOperation(status="Canceled", **at),
    "operation never ends": lambda **at: HoldOperation(**at),
}
# Faults of resources that a PUT of an endpoint or deployment creates.
PUT_FAULTS: dict[str, Callable[..., Fault]] = {
    "not shown for a while": lambda **at: Hide(**at),
}
NEVER_ENDS = "operation never ends"


@dataclass(frozen=True)
class Cell:
    """One fault of one request of a scenario."""

    scenario: str
    request: Asked
    fault: str

    def __str__(self) -> str:
        return f"{self.scenario} | {self.request.short} | {self.fault}"

    def order(self) -> Fault:
        """Return the fault in the emulator's form."""
        at = {"method": self.request.method, "path": self.request.pattern, "nth": self.request.nth}
        return {**FAULTS, **LASTING_FAULTS, **OPERATION_FAULTS, **PUT_FAULTS}[self.fault](**at)


def cells() -> Iterator[Cell]:
    """Return every cell."""
    for scenario in SCENARIOS:
        for request in recorded(scenario):
            starts_operation = request.method in ("PUT", "DELETE") and "/onlineEndpoints/" in request.pattern
            lasting = LASTING_FAULTS if request.nth == 1 else ()
            hiding = PUT_FAULTS if starts_operation and request.method == "PUT" else ()
            for fault in [*FAULTS, *lasting, *(OPERATION_FAULTS if starts_operation else ()), *hiding]:
                yield Cell(scenario, request, fault)
