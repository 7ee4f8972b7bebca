"""Forced behaviours of Databricks: runs that wait or end as told, clusters that do not start."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any, ClassVar

HOLDS = ("QUEUED", "PENDING", "RUNNING")


@dataclass(frozen=True, kw_only=True)
class RunBehaviour:
    """How matching runs go on, instead of running their tasks.

    Attributes:
        kind: Its name in the control API.
        run: Glob for the run's name.
        hold: A state in which the run stays until it is cancelled or times out; one of `HOLDS`.
        result: The result state with which the run and its tasks end, such as `SUCCESS_WITH_FAILURES`.
        life_cycle: The life cycle state that goes with the result.
        code: The termination code that goes with the result.
        message: The state message.
    """

    kind: ClassVar[str] = "run"

    run: str = "*"
    hold: str = ""
    result: str = ""
    life_cycle: str = "TERMINATED"
    code: str = "SUCCESS"
    message: str = ""

    def __post_init__(self) -> None:
        if bool(self.hold) == bool(self.result):
            raise ValueError("a run behaviour has either hold or result")
        if self.hold and self.hold not in HOLDS:
            raise ValueError(f"hold must be {', '.join(HOLDS)}, not {self.hold!r}")

    def applies(self, name: str) -> bool:
        """Return whether it applies to a run of this name."""
        return fnmatchcase(name, self.run)

    def to_dict(self) -> dict[str, Any]:
        """Write it in the control API's form."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class ClusterBehaviour:
    """Matching clusters do not start, nor do runs on them.

    Attributes:
        kind: Its name in the control API.
        cluster: Glob for the cluster's name; a run's own cluster has none unless its specification says one.
        never_starts: Whether it stays PENDING, instead of ending at once.
        message: Why it does not start.
    """

    kind: ClassVar[str] = "cluster"

    cluster: str = "*"
    never_starts: bool = False
    message: str = "Cluster could not start"

    def applies(self, name: str) -> bool:
        """Return whether it applies to a cluster of this name."""
        return fnmatchcase(name, self.cluster)

    def to_dict(self) -> dict[str, Any]:
        """Write it in the control API's form."""
        return {"kind": self.kind, **asdict(self)}
