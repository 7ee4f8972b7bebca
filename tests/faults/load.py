"""A client that sends steady load to an endpoint and checks which deployment responds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from azureml_emulator import EmulatorInfo
from azureml_rest import signed_in_workspace

PAUSE_SECONDS = 0.02
HEADER = "azureml-model-deployment"


@dataclass
class Load:
    """Sends requests to an endpoint in a thread, within the block.

    Attributes:
        emulator: The emulator with the endpoint.
        endpoint: The endpoint's name.
        answers: Number of responses by deployment.
        failures: Failed responses.
        strangers: Responses of deployments without traffic before and after the request.
    """

    emulator: EmulatorInfo
    endpoint: str
    answers: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def requests(self) -> int:
        """Number of responses."""
        return sum(self.answers.values())

    def wait_for_share(self, deployment: str, share: int, seconds: float = 60.0) -> None:
        """Wait until a deployment has a share of the traffic."""
        path = f"onlineEndpoints/{self.endpoint}"
        with signed_in_workspace(self.emulator) as azure:
            wait_for(lambda: azure.get(path)["properties"]["traffic"].get(deployment) == share, seconds)

    def _ask(self) -> None:
        with signed_in_workspace(self.emulator) as azure:
            path = f"onlineEndpoints/{self.endpoint}"
            headers = {"authorization": f"Bearer {azure.post(f'{path}/listKeys')['primaryKey']}"}
            uri = azure.get(path)["properties"]["scoringUri"]
            while not self._stop.is_set():
                meant = {name for name, share in azure.get(path)["properties"]["traffic"].items() if share}
                answer = azure.http.post(uri, json={"x": 1}, headers=headers, timeout=120)
                meant |= {name for name, share in azure.get(path)["properties"]["traffic"].items() if share}
                answered_by = answer.headers.get(HEADER, "")
                if answer.status_code != 200:
                    self.failures.append(f"{answer.status_code} {answered_by} {answer.text}")
                elif answered_by not in meant:
                    self.strangers.append(f"{answered_by}, meant were {sorted(meant)}")
                self.answers[answered_by] = self.answers.get(answered_by, 0) + 1
                time.sleep(PAUSE_SECONDS)


def wait_for(is_so: Callable[[], bool], seconds: float = 180.0, pause_seconds: float = 0.05) -> None:
    """Wait for a condition; fail after a timeout."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it never was so"
        time.sleep(pause_seconds)
