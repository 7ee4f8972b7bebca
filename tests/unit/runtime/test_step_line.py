"""Steps look the same wherever they run."""

import pytest

from kfp_azureml.local.event_log import StepRecord
from kfp_azureml.local.screen import Screen
from kfp_azureml.runtime.step_line import name_width, step_line


def test_columns_are_aligned_whatever_is_known_of_a_step() -> None:
    assert step_line("prep", "running") == "  prep                 running"
    assert step_line("prep", "succeeded", 2.52) == "  prep                 succeeded      2.5 s"
    assert step_line("score", "succeeded", None, "0.9265") == "  score                succeeded             0.9265"


def test_a_local_run_shows_the_same_line(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().show_step(StepRecord("prep", 0.0, state="failed", seconds=61.0, message="[bold]"))
    assert capsys.readouterr().out.rstrip() == step_line("prep", "failed", 61.0, "[bold]")


LONG = "databricks_import_workspace_item"


def test_a_long_name_keeps_the_columns_of_its_run(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    screen.expect(["prep", LONG])
    for record in [StepRecord(name, 0.0, state="succeeded", seconds=61.0) for name in ("prep", LONG)]:
        screen.show_step(record)
    short, long = capsys.readouterr().out.splitlines()
    assert short.index("succeeded") == long.index("succeeded") == len(LONG) + 3
    assert len(short) == len(long)


def test_one_very_long_name_does_not_push_the_states_out_of_sight() -> None:
    assert name_width(["prep"]) == 20
    assert name_width(["prep", "x" * 400]) == 40
