"""Plays requests on the emulator, as plain REST over HTTPS."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from azureml_emulator import EmulatorInfo, running_emulator
from azureml_emulator.test_control.client import Control
from azureml_rest import Workspace, signed_in_workspace
from exchange import Exchange
from play import Play, fill
from situation import RUNNING

ARGUMENTS = ("--scoring=instant", "--control", "--quota-cores=100", "--endpoint-seconds=0.3")
"""Endpoint operations take a moment: their first status is not their last."""
API_VERSION = "2023-04-01-preview"
POLL_SECONDS = 0.05
OPERATION_SECONDS = 60.0


@dataclass(frozen=True)
class Played:
    """An answer, with the situation in which it was given."""

    answer: Exchange
    situation: str


class Player:
    """Plays requests and follows the operations that they start."""

    def __init__(self, workspace: Workspace, control: Control) -> None:
        self._http = workspace.http
        scoring = workspace.sign_in(scope="https://ml.azure.com/.default").json()["access_token"]
        self._scoring = {"authorization": f"Bearer {scoring}"}
        self._control = control
        store = workspace.get("datastores/workspaceblobstore")["properties"]
        group, _, name = workspace.id.partition("/providers/Microsoft.MachineLearningServices")
        self._names = {
            "{ws}": workspace.id,
            "{group}": group,
            "{subscription}": group.partition("/resourceGroups")[0],
            "{short}": f"{group.replace('/resourceGroups/', '/resourcegroups/')}{name}",
            "{container}": f"https://{store['accountName']}.blob.core.windows.net/{store['containerName']}",
            "{region}": "eastus",
            "{none}": "",
        }

    def play(self, plays: Iterable[Play]) -> Iterator[Played]:
        """Send requests, and yield their answers and those of the operations that they start."""
        for play in plays:
            if play.fault:
                self._control.set_faults([play.fault])
            url = play.url(self._names)
            params = {"api-version": API_VERSION, **play.query}
            body = fill(play.body, self._names)
            headers = self._scoring if "inference" in play.host else {}
            answer = self._http.request(
                play.method, url, json=body, params=params, headers=headers, timeout=OPERATION_SECONDS
            )
            yield Played(_exchange(play, answer), play.situation)
            if play.follow and "azure-asyncoperation" in answer.headers:
                yield from self._follow(answer.headers["azure-asyncoperation"], play.ends)
            if play.fault:
                self._control.set_faults([])

    def _follow(self, url: str, ends: str) -> Iterator[Played]:
        """Poll an operation; yield its first and its last status."""
        deadline = time.monotonic() + OPERATION_SECONDS
        poll = Play("GET", "{none}")
        first = True
        while True:
            answer = self._http.get(url)
            has_ended = _status(answer) in ("Succeeded", "Failed", "Canceled")
            if has_ended or first:
                yield Played(
                    poll.answer(answer.status_code, answer.headers, _json(answer), url), ends if has_ended else RUNNING
                )
            if has_ended:
                return
            first = False
            assert time.monotonic() < deadline, f"{url} is {_status(answer)!r} after {OPERATION_SECONDS:g} s"
            time.sleep(POLL_SECONDS)


@contextmanager
def emulator_to_play() -> Iterator[EmulatorInfo]:
    """Run an emulator that answers at once."""
    with running_emulator(arguments=ARGUMENTS) as emulator:
        yield emulator


def play_all(emulator: EmulatorInfo, plays: Iterable[Play]) -> list[Played]:
    """Play requests on a running emulator."""
    with signed_in_workspace(emulator) as workspace, Control(emulator) as control:
        return list(Player(workspace, control).play(plays))


def _exchange(play: Play, answer: httpx.Response) -> Exchange:
    url = str(answer.request.url)
    return play.answer(answer.status_code, answer.headers, _json(answer), url)


def _json(answer: httpx.Response) -> object:
    if not answer.content:
        return None
    try:
        return answer.json()
    except ValueError:
        return answer.text


def _status(answer: httpx.Response) -> object:
    body = _json(answer)
    return body.get("status") if isinstance(body, dict) else None
