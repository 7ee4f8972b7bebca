"""The conditions of KFP pipelines."""

from pathlib import Path

import pytest

from azureml_commands import run_command, snapshot
from kfp_azureml.azureml_pipelines.conditions import OUTPUT, Term, condition_spec, parse_condition
from kfp_azureml.azureml_pipelines.spec import IN_JOB
from kfp_azureml.runtime.errors import PipelineError

GATE = "inputs.parameter_values['pipelinechannel--gate-Output']"
COUNT = "inputs.parameter_values['pipelinechannel--count']"
SHARE, FLAG = (f"inputs.parameter_values['pipelinechannel--{name}']" for name in ("share", "flag"))
TYPES = {
    "pipelinechannel--gate-Output": "STRING",
    "pipelinechannel--count": "NUMBER_INTEGER",
    "pipelinechannel--share": "NUMBER_DOUBLE",
    "pipelinechannel--flag": "BOOLEAN",
}
NAMES = {channel: channel.removeprefix("pipelinechannel--").removesuffix("-Output") for channel in TYPES}


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        (f"{GATE} == 'accepted'", [Term("pipelinechannel--gate-Output", "==", "accepted", "string", False, True)]),
        (f"'x' != {GATE}", [Term("x", "!=", "pipelinechannel--gate-Output", "string", False, False, True)]),
        (f"{FLAG} == true", [Term("pipelinechannel--flag", "==", "true", "boolean", False, True)]),
        (
            f"{SHARE} >= double(int({COUNT}))",
            [Term("pipelinechannel--share", ">=", "pipelinechannel--count", "number", False, True, True)],
        ),
        (f"int({COUNT}) > 3", [Term("pipelinechannel--count", ">", "3", "number", False, True)]),
        (f"double(int({COUNT})) <= 2.5", [Term("pipelinechannel--count", "<=", "2.5", "number", False, True)]),
        (
            f"!({GATE} == 'a') && {GATE} == 'b'",
            [
                Term("pipelinechannel--gate-Output", "==", "a", "string", True, True),
                Term("pipelinechannel--gate-Output", "==", "b", "string", False, True),
            ],
        ),
    ],
)
def test_what_kfp_compiles_is_read(text: str, terms: list[Term]) -> None:
    assert list(parse_condition("group", text, TYPES)) == terms


@pytest.mark.parametrize("text", [f"{GATE} == 'o'k'", f"{GATE} == 'a' || {GATE} == 'b'", "true", f"f({GATE}) == 1"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(PipelineError, match="group: cannot run on Azure ML: its condition is "):
        parse_condition("group", text, TYPES)


@pytest.mark.parametrize(
    ("text", "values", "met"),
    [
        (f"{GATE} == 'accepted'", {"gate": "accepted"}, True),
        (f"{GATE} == 'accepted'", {"gate": "rejected"}, False),
        (f"{FLAG} == true", {"flag": "True"}, True),
        (f"{FLAG} == true", {"flag": "false"}, False),
        (f"{SHARE} >= double(int({COUNT}))", {"share": "10.5", "count": "9"}, True),
        (f"{SHARE} >= double(int({COUNT}))", {"share": "8.5", "count": "9"}, False),
        (f"int({COUNT}) > 3", {"count": "10"}, True),
        (f"double(int({COUNT})) <= 2.5", {"count": "3"}, False),
        (f"!({GATE} == 'a') && int({COUNT}) != 3", {"gate": "b", "count": "4.0"}, True),
        (f"!({GATE} == 'a') && int({COUNT}) != 3", {"gate": "a", "count": "4"}, False),
    ],
)
def test_its_job_decides(tmp_path: Path, text: str, values: dict[str, str], met: bool) -> None:
    terms = parse_condition("group", text, TYPES)
    used = {channel: NAMES[channel] for term in terms for channel in term.inputs}
    spec = condition_spec("group", terms, used, TYPES, "python:3.11")
    assert spec.document["environment"] == {"image": "python:3.11"}
    assert spec.document["outputs"] == {OUTPUT: {"type": "boolean"}}
    (tmp_path / "spec").mkdir()
    code = snapshot(spec.write(tmp_path / "spec"), IN_JOB, tmp_path / "code")
    done = run_command(spec.document["command"], code, values, {OUTPUT: tmp_path / "answer"})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "answer").read_text() == str(met)


def test_it_says_what_it_decides() -> None:
    terms = parse_condition("accepted", f"!({GATE} == 'a') && int({COUNT}) > 3", TYPES)
    spec = condition_spec("accepted", terms, NAMES, TYPES, "python:3.11")
    assert spec.document["name"] == "decide_accepted"
    assert spec.document["inputs"]["share"] == {"type": "number"}
    assert spec.document["inputs"]["flag"] == {"type": "boolean"}
    assert spec.document["description"] == "Whether not gate-Output == a and count > 3."
