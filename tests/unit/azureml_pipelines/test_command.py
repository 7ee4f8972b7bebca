"""The commands of `kfp-azureml aml`, with a double of the SDK's client."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from kfp_azureml.azureml_pipelines import connection
from kfp_azureml.azureml_pipelines.command import aml_command
from kfp_azureml.runtime.errors import InvalidNameError


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("components", "get", "no/pe:1"), "component 'no/pe'"),
        (("components", "get", "nope:1/2"), "version '1/2'"),
        (("stream", "a/../b"), "job 'a/../b'"),
        (("cancel", ".."), "job '..'"),
        (("download", "a?b"), "job 'a?b'"),
        (("models", "download", "a/b:1", "to"), "model_name 'a/b'"),
        (("models", "download", "a:1:2", "to"), "model_version '1:2'"),
    ],
)
def test_what_cannot_be_a_name_is_not_asked_for(
    words: tuple[str, ...], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "connect", lambda *_: SimpleNamespace())  # which answers nothing
    result = CliRunner().invoke(aml_command, words)
    assert isinstance(result.exception, InvalidNameError)
    assert str(result.exception).startswith(f"{what} is not a valid name: use at most 255 letters")


def test_a_component_with_an_empty_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "connect", lambda *_: SimpleNamespace())
    result = CliRunner().invoke(aml_command, ["components", "get", "train:"])
    assert result.exit_code == 2
    assert "train:: expected NAME or NAME:VERSION" in result.output


def test_a_job_without_outputs_is_said_to_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = SimpleNamespace(status="Failed", display_name="prep", name="run-1")
    jobs = SimpleNamespace(get=lambda _name: failed, list=lambda *, parent_job_name: [failed])
    monkeypatch.setattr(connection, "connect", lambda *_: SimpleNamespace(jobs=jobs))
    result = CliRunner().invoke(aml_command, ["download", "job-1"])
    assert result.output == "Job job-1: nothing to download: no completed step has an output folder\n"
