"""Copy the logs of a resource's pods into the step's log."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kfp_azureml.engines.api import Api
from kfp_azureml.engines.api_errors import ApiError
from kfp_azureml.engines.kinds import Kind, Resource
from kfp_azureml.runtime.terminal import plain

MOST_BYTES = 1 << 20
"""Most bytes of one pod's log in one request."""

_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d) ")
_KEPT = 5  # last lines, for an error

logger = logging.getLogger(__name__)


@dataclass
class _Copied:
    """What was copied of a pod's log: the time of the last line, and the lines of that time."""

    stamp: str = ""
    lines: set[str] = field(default_factory=set)
    last: list[str] = field(default_factory=list)
    is_gone: bool = False


class PodLogs:
    """Copies new lines of the pods' logs, each with its worker.

    It asks for the lines since the last one instead of holding a connection to each pod: there is none to lose, and a
    step that is stopped has nothing to end.
    """

    def __init__(self, api: Api, kind: Kind, write: Callable[[str], None] = logger.info) -> None:
        self._api = api
        self._kind = kind
        self._write = write
        self._copied: dict[str, _Copied] = {}
        self._is_forbidden = False

    def copy(self, pods: Iterable[Resource]) -> None:
        """Copy what is new. Errors are logged once a pod: the work goes on without its log."""
        for pod in pods:
            name = pod["metadata"]["name"]
            copied = self._copied.setdefault(pod["metadata"].get("uid", name), _Copied())
            if copied.is_gone or self._is_forbidden or pod.get("status", {}).get("phase") == "Pending":
                continue
            try:
                while self._copy(name, self._kind.worker(pod), copied):
                    pass
            except ApiError as error:
                self._skip(self._kind.worker(pod), copied, error)

    def last_line(self, pod: Resource) -> str:
        """Return the last line of a pod's log that was copied and is not empty."""
        copied = self._copied.get(pod["metadata"].get("uid", pod["metadata"]["name"]))
        return next((line.strip() for line in reversed(copied.last) if line.strip()), "") if copied else ""

    def _copy(self, name: str, worker: str, copied: _Copied) -> bool:
        """Copy one piece of a log; tell whether there is more."""
        query = {"container": self._kind.container, "timestamps": "true", "limitBytes": str(MOST_BYTES)}
        if copied.stamp:
            query["sinceTime"] = f"{copied.stamp[:19]}Z"  # the API cuts fractions of a second
        text = self._api.text(f"/api/v1/namespaces/{self._api.namespace}/pods/{name}/log", **query)
        is_cut = len(text.encode()) >= MOST_BYTES
        lines = text.split("\n")  # not what a program prints as other line ends: the server stamps lines, not those
        if not lines[-1]:
            del lines[-1]
        if is_cut and len(lines) > 1:
            del lines[-1]  # not whole
        fresh = 0
        for line in lines:
            fresh += self._copy_line(line, worker, copied)
        if is_cut and not fresh:
            # More than `MOST_BYTES` in one second.
            self._write(f"{worker}: ... lines left out, too many in one second")
            copied.stamp, copied.lines = _next_second(copied.stamp), set()
        return is_cut

    def _copy_line(self, line: str, worker: str, copied: _Copied) -> bool:
        found = _STAMP.match(line)
        stamp = f"{found[1]}{(found[2] or '.').ljust(10, '0')}" if found else copied.stamp
        if stamp < copied.stamp or (stamp == copied.stamp and line in copied.lines):
            return False
        if stamp > copied.stamp:
            copied.stamp, copied.lines = stamp, set()
        copied.lines.add(line)
        said = plain(line[found.end() :] if found else line)
        copied.last = [*copied.last, said][-_KEPT:]
        self._write(f"{worker}: {said}")
        return True

    def _skip(self, worker: str, copied: _Copied, error: ApiError) -> None:
        # 400: the container is not created yet.
        if error.status == 400 or error.is_transient:
            return
        if error.status in (401, 403):
            self._is_forbidden = True
            self._write(f"the workers' logs cannot be read: kubectl apply -k {self._kind.role} ({error.message})")
            return
        copied.is_gone = True
        self._write(f"{worker}: its log is gone ({error.message})")


def _next_second(stamp: str) -> str:
    second = datetime.fromisoformat(stamp[:19]) if stamp else datetime(1970, 1, 1)
    return f"{(second + timedelta(seconds=1)).isoformat()}."


def last_lines(logs: PodLogs, kind: Kind, pods: Sequence[Resource]) -> list[str]:
    """Return the last line of each failed pod's log, with its worker."""
    failed = [pod for pod in pods if pod.get("status", {}).get("phase") == "Failed"]
    return [f"{kind.worker(pod)} said: {line}" for pod in failed if (line := logs.last_line(pod))]
