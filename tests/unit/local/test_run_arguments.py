"""What is wrong with the parameters of a local run is said before an Azure ML emulator starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from kfp_azureml.local.run import LocalRun, run_locally
from kfp_azureml.runtime.errors import PipelineError

PIPELINE = """
from kfp import dsl


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def greet(name: str, times: int) -> None: ...


@dsl.pipeline(name="greetings")
def pipeline(name: str, times: int = 1, workspace: str = "", resource_group: str = "") -> None:
    greet(name=name, times=times)
"""


@pytest.mark.parametrize(
    ("params", "data", "error"),
    [
        ({}, None, "missing parameter name: set --param name=VALUE"),
        ({"name": "Ada", "tmes": "2"}, None, "the pipeline has no parameter 'tmes'"),
        ({"name": "Ada", "times": "two"}, None, "parameter times: expected a whole number, not 'two'"),
        ({"name": "Ada"}, "images", "--data is set, but the pipeline has no parameter input_data"),
    ],
)
def test_a_wrong_parameter_starts_nothing(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    params: dict[str, str],
    data: str | None,
    error: str,
) -> None:
    pipeline = tmp_path / "greetings.py"
    pipeline.write_text(PIPELINE)
    wanted = LocalRun(str(pipeline), data, params, tmp_path / "runs", keep=False, azure=False)
    with pytest.raises(PipelineError, match=error):
        run_locally(wanted)
    assert "emulator" not in capsys.readouterr().out
    assert list((tmp_path / "runs").glob("*/azureml.log")) == []
