"""Steps: events, and how a step ends."""

import contextlib
import json
import logging
import os
import signal
from pathlib import Path

import pytest

from kfp_azureml.local.event_log import EventLog
from kfp_azureml.runtime.errors import CancelledError, DataError
from kfp_azureml.runtime.step import EVENTS_FILE, configure_logging, progress, report, run_step


@pytest.fixture
def events_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "events.jsonl"
    monkeypatch.setenv(EVENTS_FILE, str(path))
    return path


def events(path: Path) -> list[str]:
    return [json.loads(line)["event"] for line in path.read_text().splitlines()]


def test_a_step_that_works(events_file: Path) -> None:
    with run_step("prep"):
        progress("half", 0.5)
        report(accuracy=0.9)
    assert events(events_file) == ["started", "progress", "result", "succeeded"]
    log = EventLog(events_file)
    (step,) = log.refresh()
    assert (step.name, step.state, step.message, step.fraction) == ("prep", "succeeded", "half", 0.5)
    assert log.results == {"accuracy": 0.9}
    assert log.refresh() == []


def test_only_warnings_that_users_can_act_on_are_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    experimental = logging.getLogger("azure.ai.ml._utils._experimental")
    monkeypatch.setattr(experimental, "level", logging.NOTSET)
    configure_logging()
    assert not experimental.isEnabledFor(logging.WARNING)
    assert logging.getLogger("azure.ai.ml").isEnabledFor(logging.WARNING)


def test_a_mistake_of_the_users_is_one_line_and_an_exit_code(
    events_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, run_step("prep"):
        raise DataError("folder /x is missing: name another")
    assert ended.value.code == 1
    assert capsys.readouterr().err.splitlines()[-1] == "prep: folder /x is missing: name another"
    assert events(events_file) == ["started", "failed"]


def test_a_line_break_in_a_name_does_not_make_two_lines_of_an_error(
    events_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit), run_step("prep"):
        raise DataError("folder /a\nprep: succeeded is missing: name another")
    assert capsys.readouterr().err.splitlines()[-1] == "prep: folder /a prep: succeeded is missing: name another"


def test_a_fault_of_ours_keeps_its_traceback(events_file: Path) -> None:
    with pytest.raises(ZeroDivisionError), run_step("prep"):
        raise ZeroDivisionError
    assert events(events_file) == ["started", "failed"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_cancels_the_step_past_any_except_clause(events_file: Path, number: int) -> None:
    with pytest.raises(SystemExit) as ended, run_step("prep"), contextlib.suppress(Exception):  # as libraries do
        os.kill(os.getpid(), number)
    assert ended.value.code == CancelledError.exit_code
    assert events(events_file) == ["started", "cancelled"]


def test_a_second_signal_does_not_disturb_the_clean_up(events_file: Path) -> None:
    cleaned = []
    with pytest.raises(SystemExit), run_step("prep"):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            cleaned.append(True)
    assert cleaned
    assert events(events_file) == ["started", "cancelled"]


def test_without_a_supervisor_only_the_log_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(EVENTS_FILE, raising=False)
    monkeypatch.chdir(tmp_path)
    with run_step("prep"):
        progress("half")
    assert list(tmp_path.iterdir()) == []


def test_half_a_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    line = json.dumps({"time": 1.0, "pid": 1, "step": "prep", "event": "started"}) + "\n"
    path.write_text(line[:20])
    log = EventLog(path)
    assert log.refresh() == []
    path.write_text(line)
    assert [step.name for step in log.refresh()] == ["prep"]


def test_a_step_that_never_said_how_it_ended_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps({"time": 1.0, "pid": 1, "step": "prep", "event": "started"}) + "\n")
    log = EventLog(path)
    log.close("failed", "killed by SIGKILL")
    assert [(step.state, step.error) for step in log.steps] == [("failed", "prep: killed by SIGKILL")]
