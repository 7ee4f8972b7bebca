"""`kfp-azureml step`: options from the signature, help from the docstring, a run as kfp's executor does it."""

import json
import os
import subprocess
import sys

import kfp.dsl  # noqa: F401 - with its compiler, which other tests of this process need
import pytest
from click.testing import CliRunner

from kfp_azureml import components
from kfp_azureml.runtime.errors import OutputError, PipelineError
from kfp_azureml.steps.command import component_command, step_command
from kfp_azureml.steps.names import component_names

GATE = ["--accuracy", "0.95", "--min-accuracy", "0.9"]


def options(name):
    return {option.name: option for option in component_command(name).params}


def test_every_component_is_a_subcommand():
    assert component_names() == sorted(components.__all__)
    listed = CliRunner().invoke(step_command, ["--help"], catch_exceptions=False).output
    assert all(name in listed for name in component_names())


@pytest.mark.parametrize("name", component_names())
def test_the_options_are_the_inputs_and_outputs_of_the_component(name):
    spec = getattr(components, name).component_spec
    artifacts = {one for one, made in (spec.outputs or {}).items() if made.type.startswith("system.")}
    found = options(name)
    assert found.keys() - {"outputs"} == {*(spec.inputs or {}), *artifacts}
    required = {one for one, given in (spec.inputs or {}).items() if not given.optional}
    assert {one for one, option in found.items() if option.required} == required
    for one, given in (spec.inputs or {}).items():
        if given.optional and given.default is not None:
            assert found[one].default == given.default


def test_the_help_is_the_docstring():
    text = CliRunner().invoke(component_command("train"), ["--help"], catch_exceptions=False).output
    assert "Train an image classifier" in text
    assert "--batch-size INTEGER" in text
    assert "[default: 0.1]" in " ".join(text.split())
    assert "--input-data PATH" in text


def test_outputs_without_a_path_go_into_one_folder(tmp_path):
    done = CliRunner().invoke(
        component_command("quality_gate"), [*GATE, "--outputs", str(tmp_path / "out")], catch_exceptions=False
    )
    page = tmp_path / "out" / "verdict.md"
    assert page.read_text().startswith("**Accepted")
    printed = json.loads(done.stdout)
    assert printed == {
        "values": {"Output": "accepted"},
        "artifacts": {"verdict": {"path": str(page), "metadata": {"accuracy": 0.95, "accepted": True}}},
    }


def test_an_output_may_have_a_path_of_its_own(tmp_path):
    CliRunner().invoke(
        component_command("quality_gate"), [*GATE, "--verdict", str(tmp_path / "a" / "b.md")], catch_exceptions=False
    )
    assert (tmp_path / "a" / "b.md").is_file()
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_several_returned_values_are_printed_by_name(monkeypatch, tmp_path):
    monkeypatch.setattr("kfp_azureml.steps.command._load", lambda name: _two_values)
    printed = CliRunner().invoke(component_command("any"), ["--outputs", str(tmp_path)], catch_exceptions=False)
    assert json.loads(printed.stdout)["values"] == {"one": "1", "two": 2}


def _two_values() -> __import__("typing").NamedTuple("Outputs", [("one", str), ("two", int)]):
    return "1", 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--class-names", "a,b"], "is not JSON"),
        (["--class-names", '{"a": 1}'], "is not a JSON list"),
        (["--no-such", "1"], "No such option"),
        ([], "Missing option"),
    ],
)
def test_bad_options_are_refused(given, message):
    refused = CliRunner().invoke(component_command("prep"), given)
    assert refused.exit_code == 2
    assert message in refused.output


def test_lists_and_switches_reach_the_component(monkeypatch, tmp_path):
    seen = {}

    def component(names: list[str] = [], tags: dict = {}, flag: bool = True, number: int = 0) -> None:  # noqa: B006
        seen.update(names=names, tags=tags, flag=flag, number=number)

    monkeypatch.setattr("kfp_azureml.steps.command._load", lambda name: component)
    command, outputs = component_command("any"), ["--outputs", str(tmp_path)]
    CliRunner().invoke(command, outputs, catch_exceptions=False)
    assert seen == {"names": [], "tags": {}, "flag": True, "number": 0}
    given = ["--names", '["a", "b"]', "--tags", '{"k": 1}', "--no-flag", "--number", "3"]
    CliRunner().invoke(command, [*given, *outputs], catch_exceptions=False)
    assert seen == {"names": ["a", "b"], "tags": {"k": 1}, "flag": False, "number": 3}


def test_an_output_below_a_file_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file: cannot be written"):
        CliRunner().invoke(
            component_command("quality_gate"),
            [*GATE, "--verdict", str(tmp_path / "file" / "v.md")],
            catch_exceptions=False,
        )


def test_a_missing_package_is_one_line(monkeypatch, tmp_path):
    def component() -> None:
        raise ModuleNotFoundError("No module named 'azure'", name="azure.ai.ml")

    monkeypatch.setattr("kfp_azureml.steps.command._load", lambda name: component)
    with pytest.raises(PipelineError, match=r"package azure is not installed here: .*kfp-azureml\[azure\]"):
        CliRunner().invoke(component_command("any"), ["--outputs", str(tmp_path)], catch_exceptions=False)


def test_a_run_loads_neither_kfps_compiler_nor_a_docstring_parser(tmp_path):
    program = (
        "import sys\n"
        f"sys.argv = ['kfp-azureml', 'step', 'quality_gate', *{GATE!r}, '--outputs', {str(tmp_path)!r}]\n"
        "from kfp_azureml.cli import main\n"
        "try:\n    main()\nfinally:\n    print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "kfp.dsl.executor" in loaded
    assert not {"kfp.compiler", "kfp.dsl.pipeline_context", "docstring_parser", "yaml", "numpy"} & loaded
    assert "_KFP_RUNTIME" not in os.environ
