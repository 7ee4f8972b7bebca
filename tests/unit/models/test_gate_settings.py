"""Settings of the quality gate that preflight refuses before training."""

import pytest

from kfp_azureml.compiling.documents import read_compiled
from kfp_azureml.compiling.sources import find_pipeline
from kfp_azureml.components import aml_preflight, quality_gate
from kfp_azureml.models.gate_settings import GateSettings
from kfp_azureml.runtime.errors import PipelineError


def test_an_improvement_needs_a_live_model() -> None:
    settings = GateSettings(0.9, min_improvement=0.01)
    settings.check_decides(compare_with_live=True)
    with pytest.raises(PipelineError) as refused:
        settings.check_decides(compare_with_live=False)
    assert str(refused.value) == (
        "min_improvement is set, but the live model is not compared: set compare_with_live=true, or omit it"
    )


@pytest.mark.parametrize("compare_with_live", [False, True])
def test_another_metric_needs_a_minimum_since_there_may_be_no_live_model(compare_with_live: bool) -> None:
    with pytest.raises(PipelineError) as refused:
        GateSettings(0.9, metric="macro_f1").check_decides(compare_with_live=compare_with_live)
    assert str(refused.value) == "metric=macro_f1 without a minimum accepts every model: set min_metric"


@pytest.mark.parametrize("given", [{}, {"min_accuracy": 0.0}, {"metric": "worst_recall", "min_metric": 0.5}])
def test_settings_with_a_minimum_are_accepted(given: dict) -> None:
    GateSettings(**{"min_accuracy": 0.9} | given).check_decides(compare_with_live=False)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"metric": "acuracy"}, "metric 'acuracy': expected one of accuracy, macro_f1, worst_recall"),
        ({"min_accuracy": 90}, "min_accuracy is 90; expected a number from 0 to 1"),
        ({"min_improvement": 0.01}, "min_improvement is set, but the live model is not compared"),
    ],
)
def test_preflight_ends_a_run_whose_gate_cannot_work(
    given: dict, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"):
        aml_preflight.python_func("local", "local", **given)
    assert f"aml_preflight: {said}" in capsys.readouterr().err


def test_the_pipeline_gives_preflight_the_settings_of_the_gate() -> None:
    pipeline = read_compiled(find_pipeline("image_classification").with_suffix(".yaml")).pipeline
    graphs = [part["dag"]["tasks"] for part in pipeline["components"].values() if "dag" in part]
    (tasks,) = (graph for graph in graphs if "quality-gate" in graph)
    checked, judged = (tasks[name]["inputs"]["parameters"] for name in ("aml-preflight", "quality-gate"))
    settings = aml_preflight.component_spec.inputs.keys() & quality_gate.component_spec.inputs.keys()
    assert settings == {"min_accuracy", "metric", "min_metric", "min_improvement"}
    assert {name: checked[name] for name in settings} == {name: judged[name] for name in settings}
