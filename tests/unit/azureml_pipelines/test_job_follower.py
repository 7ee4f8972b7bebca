"""Following a job, with a double of the SDK's client that goes away, comes back, and ends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ResourceNotFoundError,
    ServiceRequestError,
)

from kfp_azureml.azureml.renewable_credential import RenewableCredential
from kfp_azureml.azureml_pipelines import job_follower
from kfp_azureml.azureml_pipelines.job_follower import cancel_job, format_state, stream_job
from kfp_azureml.runtime import polling
from kfp_azureml.runtime.errors import CancelledError, CredentialsError, PipelineError, WorkspaceError


@dataclass
class Step:
    display_name: str
    status: str
    name: str = "run-1"
    type: str = "command"
    properties: dict[str, str] = field(default_factory=dict)


@dataclass
class Job:
    status: str
    jobs: dict[str, Step] = field(default_factory=dict)


class Jobs:
    """Answers what it was given, one answer after the other, the last one for ever; an exception is raised."""

    log_name = "std_log.txt"

    def __init__(self, answers: list[tuple[str, list[Step]] | BaseException], log: str = "") -> None:
        self._answers = answers
        self._log = log
        self._steps: list[Step] = []
        started = datetime(2026, 1, 2, tzinfo=UTC)
        run = SimpleNamespace(start_time_utc=started, end_time_utc=started + timedelta(seconds=144))
        self._runs_operations = SimpleNamespace(get_run_details=Mock(return_value=run))

    def get(self, _name: str) -> Job:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, BaseException):
            raise answer
        status, self._steps = answer
        names = ("prep", "train", "deploy", "accepted")
        nodes = {each: Step(each, "", type="if_else" if each == "accepted" else "command") for each in names}
        return Job(status, nodes)

    def list(self, *, parent_job_name: str) -> Iterator[Step]:
        assert parent_job_name == "job-1"
        return iter(self._steps)

    def download(self, _name: str, *, download_path: str) -> None:
        folder = Path(download_path, "artifacts", "user_logs")
        folder.mkdir(parents=True)
        (folder / self.log_name).write_text(self._log)


class Client:
    subscription_id, resource_group_name, workspace_name = "s", "g", "w"

    def __init__(self, *answers: tuple[str, list[Step]] | BaseException, log: str = "") -> None:
        self.jobs = Jobs(list(answers), log)


LINK = "https://ml.azure.com/runs/job-1?wsid=/subscriptions/s/resourceGroups/g/providers/"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "FIRST_SECONDS", 0.0)


def stream(client: Client) -> list[str]:
    said: list[str] = []
    stream_job(client, "job-1", said.append)
    return said


def test_each_change_is_told_once_and_what_never_ran_was_skipped() -> None:
    control = {"azureml.pipeline.control": json.dumps({"Output": 0.75, "scores": '{"live": {}}'})}
    said = stream(
        Client(
            ("NotStarted", [Step("prep", "NotStarted")]),
            ("Running", [Step("prep", "Running")]),
            ("Running", [Step("prep", "Running")]),
            ("Running", [Step("prep", "Completed"), Step("train", "Queued")]),
            ("Completed", [Step("prep", "Completed"), Step("train", "Completed", properties=control)]),
        )
    )
    lines = [line.split() for line in said]
    assert lines[:1] == [["prep", "running"]]
    assert lines[1][:2] == ["prep", "succeeded"]
    assert lines[2] == ["train", "succeeded", "0.75"]
    assert lines[3:4] == [["deploy", "skipped"]]
    assert said[-1] == "Succeeded in 144 s"
    assert len(said) == 5


def test_a_job_that_had_ended_is_said_with_its_own_duration() -> None:
    ended = ("Completed", [Step("prep", "Completed"), Step("train", "Completed"), Step("deploy", "Completed")])
    assert stream(Client(ended))[-1] == "The job had already succeeded, in 144 s"


@pytest.mark.parametrize("error", [ServiceRequestError("gone"), AttributeError("another SDK"), None])
def test_a_duration_that_cannot_be_read_is_not_invented(error: Exception | None) -> None:
    client = Client(("Completed", []))
    run = SimpleNamespace(start_time_utc=None, end_time_utc=None)
    client.jobs._runs_operations.get_run_details = Mock(side_effect=error, return_value=run)
    assert stream(client)[-1] == "The job had already succeeded"


def answered(error: HttpResponseError, status: int) -> HttpResponseError:
    error.status_code = status
    return error


def sign_in_without_connection() -> ClientAuthenticationError:
    error = ClientAuthenticationError("no answer")
    error.__cause__ = ServiceRequestError("no route")
    return error


@pytest.mark.parametrize(
    "away",
    [
        ServiceRequestError("no route"),
        answered(HttpResponseError("busy"), 503),
        answered(DecodeError("cut"), 200),
        IncompleteReadError("cut"),
        sign_in_without_connection(),
    ],
)
def test_a_dropped_connection_is_survived(away: AzureError) -> None:
    said = stream(
        Client(("Running", [Step("prep", "Running")]), away, away, ("Completed", [Step("prep", "Completed")]))
    )
    assert sum("Azure is unavailable" in line for line in said) == 1
    assert said[-1].startswith("Succeeded in ")


def test_a_refused_token_is_replaced_and_the_job_followed_on() -> None:
    refused = answered(ClientAuthenticationError("expired"), 401)
    before = RenewableCredential.generation
    said = stream(Client(("Running", []), refused, ("Completed", [Step("prep", "Completed")])))
    assert RenewableCredential.generation == before + 1
    assert said[-1].startswith("Succeeded in ")


def test_a_token_that_is_refused_again_and_again_ends_the_command() -> None:
    with pytest.raises(CredentialsError, match="reading job job-1: Azure rejected the credentials"):
        stream(Client(("Running", []), answered(ClientAuthenticationError("expired"), 401)))


def test_azure_away_for_too_long_ends_the_command_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_follower, "OUTAGE_SECONDS", 0.0)
    with pytest.raises(WorkspaceError, match="reading job job-1: Azure cannot be reached"):
        stream(Client(("Running", []), ServiceRequestError("no route")))


def test_a_job_that_is_not_there_is_not_asked_for_again() -> None:
    with pytest.raises(PipelineError, match=f"reading job job-1: not there: {re.escape(LINK)}"):
        stream(Client(ResourceNotFoundError("not there")))


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("INFO fine\nprep: no such folder\n\n", "job job-1 failed: prep: no such folder: "),
        ("KeyError: 'x'", "job job-1 failed: prep failed: KeyError: 'x': "),
        ("", "job job-1 failed: prep failed: "),
    ],
)
def test_a_failure_is_the_failed_steps_own_last_line(log: str, reason: str) -> None:
    with pytest.raises(PipelineError) as caught:
        stream(Client(("Failed", [Step("prep", "Failed")]), log=log))
    assert str(caught.value).startswith(f"{reason}{LINK}")
    assert "\n" not in str(caught.value)


def test_a_step_whose_environment_could_not_be_built_says_so() -> None:
    client = Client(("Failed", [Step("prep", "Failed")]), log="INFO building\nno image REG/ml\n")
    client.jobs.log_name = "20_image_build_log.txt"
    with pytest.raises(PipelineError, match=r"^job job-1 failed: prep failed: no image REG/ml: https"):
        stream(client)


def test_a_cancelled_job_is_no_success() -> None:
    with pytest.raises(PipelineError, match=r"^job job-1 canceled: "):
        stream(Client(("Canceled", [Step("prep", "Canceled")])))


def test_whoever_stops_following_is_told_that_the_job_goes_on_and_how_to_cancel_it() -> None:
    with pytest.raises(
        CancelledError, match="SIGINT; the job continues; to end it: kfp-azureml aml cancel job-1, or Cancel"
    ):
        stream(Client(("Running", []), CancelledError("cancelled by SIGINT")))


def test_states_are_said_as_people_say_them() -> None:
    states = {"NotStarted": "not started", "Completed": "succeeded", "CancelRequested": "cancel requested"}
    assert {state: format_state(state) for state in states} == states
    enumerated: Any = type("Status", (), {"value": "Running"})()
    assert format_state(enumerated) == "running"


def test_cancelling_a_job_tells_how_it_ended() -> None:
    begin_cancel = Mock(return_value=Mock())
    jobs = SimpleNamespace(begin_cancel=begin_cancel, get=lambda _name: SimpleNamespace(status="Completed"))

    assert cancel_job(cast(Any, SimpleNamespace(jobs=jobs)), "job") == "Completed"
    begin_cancel.assert_called_once_with("job")
