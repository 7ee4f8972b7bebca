"""The recorded requests of each scenario's clean run, from which the cells are built.

`make record-faults` records them again. The number of scoring requests and the order of parallel transfers differ in
each run, and a busy machine asks less often: keep the lines where only these have changed.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

from azureml_emulator.test_control.recording import RecordedRequest

RECORDED = Path(__file__).with_name("requests.json")

# Depends on the interpreter's version, the model's bytes, or the order of files in a folder.
_VARYING = (
    (r"(?<=/versions/)[0-9a-f]{12}$", "*"),
    (r"kfp-azureml/[0-9a-f]{64}/model/[^/?\[]+", "kfp-azureml/*/model/*"),
)

_POLLED = re.compile(r"mfeOperationsStatus|/jobs/runs/get\b(?!-)|/clusters/get\b")


class Asked(NamedTuple):
    """One request of a clean run.

    Attributes:
        method: HTTP method.
        pattern: Glob over host and path, with `*` for parts that differ in each run.
        nth: Position among the requests with the same method and pattern.
    """

    method: str
    pattern: str
    nth: int

    @property
    def short(self) -> str:
        """Short name: the method and the end of the path."""
        path = self.pattern.split("/providers/Microsoft.MachineLearningServices/workspaces/local")[-1]
        host, _, rest = path.partition("/")
        return f"{self.method} {rest or host}#{self.nth}".replace("[", "(").replace("]", ")")


def recorded(scenario: str) -> list[Asked]:
    """Return the requests of a scenario in order."""
    return number([tuple(line.split(" ", 1)) for line in json.loads(RECORDED.read_text())[scenario]])


def number(requests: list[tuple[str, str]]) -> list[Asked]:
    """Number requests with the same method and pattern."""
    seen: dict[tuple[str, str], int] = {}
    numbered = []
    for method, pattern in requests:
        seen[method, pattern] = seen.get((method, pattern), 0) + 1
        numbered.append(Asked(method, pattern, seen[method, pattern]))
    return numbered


def lines(requests: list[RecordedRequest]) -> list[str]:
    """Return requests in the file's form: method and pattern."""
    written = []
    for request in requests:
        pattern = request.pattern
        for varying, glob in _VARYING:
            pattern = re.sub(varying, glob, pattern)
        line = f"{request.method} {pattern}"
        # The number of polls of an operation depends on time.
        if not _POLLED.search(line) or written[-1:] != [line]:
            written.append(line)
    return written


def record() -> dict[str, list[str]]:
    """Run each scenario once without faults and return its requests."""
    import tempfile

    import pytest

    from azureml_emulator import running_emulator
    from azureml_emulator.test_control.client import Control
    from azureml_rest import signed_in_workspace
    from running import run, shorten_waits
    from scenarios import SCENARIOS, World
    from tiny_classifier import write_tiny_model, write_tiny_score

    found = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        running_emulator(arguments=["--control", "--scoring", "instant"]) as emulator,
        Control(emulator) as control,
        signed_in_workspace(emulator) as azure,
    ):
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        shorten_waits(patch)
        model = write_tiny_model(Path(folder) / "model")
        world = World(control, azure, model, write_tiny_score(Path(folder) / "score", model))
        for name, scenario in SCENARIOS.items():
            control.reset()
            azure.http.headers["authorization"] = f"Bearer {azure.sign_in().json()['access_token']}"
            scenario.prepare(world)
            control.clear_requests()
            outcome = run(scenario.command, scenario.arguments(world))
            requests = control.requests()
            assert outcome.succeeded, outcome.printed
            scenario.check(world, True)
            found[name] = lines(requests)
    return found


if __name__ == "__main__":
    RECORDED.write_text(json.dumps(record(), indent=1) + "\n")
