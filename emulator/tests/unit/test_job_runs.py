from __future__ import annotations

import pytest

from azureml_emulator.jobs.runs import Run, Runs, Status, experiment_id
from azureml_emulator.store import Store


@pytest.fixture
def runs(store: Store) -> Runs:
    return Runs(store.connection)


def put(runs: Runs, run_id: str, parent: str | None = None, status: Status = Status.RUNNING) -> None:
    runs.put(Run(id=run_id, kind="Command", experiment="e", parent=parent, status=status))


@pytest.mark.parametrize("status", [Status.CANCEL_REQUESTED, Status.COMPLETED, Status.FAILED, Status.CANCELED])
def test_nothing_goes_on_that_has_ended_or_shall_end(runs: Runs, status: Status) -> None:
    put(runs, "a", status=status)

    runs.advance("a", Status.FINALIZING)
    runs.advance("unknown", Status.FINALIZING)

    found = runs.get("a")
    assert found is not None
    assert found.status is status


def test_an_end_is_for_ever(runs: Runs) -> None:
    put(runs, "a")

    runs.end("a", Status.FAILED, {"code": "UserError"})
    runs.end("a", Status.COMPLETED)

    found = runs.get("a")
    assert found is not None
    assert (found.status, found.error) == (Status.FAILED, {"code": "UserError"})
    assert found.ended is not None


def test_it_started_when_it_first_ran(runs: Runs) -> None:
    put(runs, "a", status=Status.NOT_STARTED)

    runs.advance("a", Status.PREPARING)
    before = runs.get("a")
    runs.advance("a", Status.RUNNING)
    first = runs.get("a")
    runs.advance("a", Status.RUNNING)
    again = runs.get("a")

    assert before is not None
    assert first is not None
    assert (before.started, first.started is not None) == (None, True)
    assert again == first


def test_a_tree_ends_and_goes_as_a_whole(runs: Runs) -> None:
    for run_id, parent in (("top", None), ("middle", "top"), ("low", "middle"), ("other", None)):
        put(runs, run_id, parent)
    runs.end("middle", Status.COMPLETED)

    runs.end_tree("top", Status.CANCELED)

    found = {run_id: run.status for run_id in ("top", "middle", "low", "other") if (run := runs.get(run_id))}
    assert found == {
        "top": Status.CANCELED,
        "middle": Status.COMPLETED,
        "low": Status.CANCELED,
        "other": Status.RUNNING,
    }
    assert [run.id for run in runs.unfinished()] == ["other"]

    runs.delete_tree("top")

    assert [run_id for run_id in found if runs.get(run_id)] == ["other"]


def test_an_experiment_has_the_same_id_always() -> None:
    assert experiment_id("/WS", "Trials") == experiment_id("/ws", "trials") != experiment_id("/ws", "other")
