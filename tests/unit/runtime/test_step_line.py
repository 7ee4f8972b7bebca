"""Steps look the same wherever they run."""

import pytest

from kfp_azureml.local.event_log import StepRecord
from kfp_azureml.local.screen import Screen
from kfp_azureml.runtime.step_line import step_line


def test_columns_are_aligned_whatever_is_known_of_a_step() -> None:
    assert step_line("prep", "running") == "  prep                 running"
    assert step_line("prep", "succeeded", 2.52) == "  prep                 succeeded      2.5 s"
    assert step_line("score", "succeeded", None, "0.9265") == "  score                succeeded             0.9265"


def test_a_local_run_shows_the_same_line(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().show_step(StepRecord("prep", 0.0, state="failed", seconds=61.0, message="[bold]"))
    assert capsys.readouterr().out.rstrip() == step_line("prep", "failed", 61.0, "[bold]")
