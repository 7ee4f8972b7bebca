"""Container components: their own command, in Azure ML's words, run by a real shell."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import pytest
from kfp import dsl
from kfp.dsl import Dataset, Input, Model, Output

from azureml_commands import run_command
from hostile_texts import HOSTILE
from kfp_azureml.azureml_pipelines.definition import Definition
from kfp_azureml.azureml_pipelines.parameters import as_primitive
from kfp_azureml.azureml_pipelines.spec import component_spec
from kfp_azureml.runtime.errors import PipelineError

Define = Callable[[Any], Definition]

PROGRAM = """
printf '%s|' "$@" > "$2"
cat "$1" >> "$2"
printf '%s' 7 > "$3"
echo "it's $GREETING"
"""


@dsl.container_component
def copy(
    data: Input[Dataset],
    out: Output[Model],
    rows: dsl.OutputPath(int),
    note: str = "x",
    more: Optional[str] = None,  # noqa: UP045
) -> dsl.ContainerSpec:
    return dsl.ContainerSpec(
        image="debian:12",
        command=["sh", "-ec", PROGRAM, "sh"],
        args=[
            data.path,
            out.path,
            rows,
            dsl.ConcatPlaceholder(["--note=", note]),
            dsl.IfPresentPlaceholder("more", ["--more", more]),
            "$HOME `id` it's",
        ],
    )


@dsl.container_component
def show(out: Output[Model], text: str, more: Optional[str] = None) -> dsl.ContainerSpec:  # noqa: UP045
    return dsl.ContainerSpec(
        image="debian:12",
        command=["sh", "-ec", 'path=$1; shift; printf "%s|" "$@" > "$path"', "sh"],
        args=[
            out.path,
            text,
            dsl.ConcatPlaceholder(["--text=", text]),
            dsl.IfPresentPlaceholder("more", ["--more", more]),
        ],
    )


@pytest.mark.parametrize("given", [{}, {"note": "n", "more": "a b"}])
@pytest.mark.parametrize("from_a_step", [False, True])
def test_the_command_gets_values_and_paths(
    definition: Define, tmp_path: Path, from_a_step: bool, given: dict[str, str]
) -> None:
    data, out, rows = (tmp_path / name for name in ("data", "out", "rows"))
    data.mkdir()
    out.mkdir()
    (data / "table").write_text("content")
    if from_a_step:
        (data / "kfp.json").write_text(json.dumps({"path": "table"}))
    spec = component_spec(definition(copy))
    assert "code" not in spec.document
    assert spec.definition == {}
    inputs = {"data": str(data if from_a_step else data / "table"), "note": "x", **given}
    done = run_command(spec.document["command"], tmp_path, inputs, {"out": out, "rows": rows})
    assert done.returncode == 0, done.stderr
    assert done.stdout == "it's \n"
    more = ["--more", "a b"] if "more" in given else []
    words = [str(data / "table"), str(out / "out"), str(rows), f"--note={inputs['note']}", *more, "$HOME `id` it's"]
    assert (out / "out").read_text() == "".join(f"{word}|" for word in words) + "content"
    assert rows.read_text() == "7"
    assert json.loads((out / "kfp.json").read_text())["path"] == "out"


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("typed_by_hand", [False, True])
def test_any_value_arrives_as_it_is(definition: Define, tmp_path: Path, text: str, typed_by_hand: bool) -> None:
    if typed_by_hand and (not text or "base64" in text):
        return  # what Azure ML has no plain literal for
    (tmp_path / "out").mkdir()
    literal = text if typed_by_hand else str(as_primitive(text, "STRING"))
    spec = component_spec(definition(show))
    done = run_command(
        spec.document["command"], tmp_path, {"text": literal, "more": literal}, {"out": tmp_path / "out"}
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "out").read_bytes().decode() == f"{text}|--text={text}|--more|{text}|"
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize("written", ["${{inputs.text}}", "$[[ ${{inputs.more}} ]]", "$${{inputs.text}}'$[[x]]"])
def test_an_expression_of_azure_mls_that_the_author_wrote_is_no_more_than_text(
    definition: Define, tmp_path: Path, written: str
) -> None:
    given = definition(show)
    container = {**given.container, "args": [*given.container["args"], written]}
    (tmp_path / "out").mkdir()
    command = component_spec(replace(given, container=container)).document["command"]
    inputs = {"text": "x'; touch pwned; '", "more": "y"}
    done = run_command(command, tmp_path, inputs, {"out": tmp_path / "out"})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "out").read_text().endswith(f"|{written}|")
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize("name", ["X; touch pwned; Y", "my-var", "my.var", ""])
def test_a_variable_that_no_shell_can_export_is_refused(definition: Define, name: str) -> None:
    given = definition(show)
    container = {**given.container, "env": [{"name": name, "value": "x"}]}
    with pytest.raises(PipelineError, match="show: cannot run on Azure ML: a shell has no environment variable '"):
        component_spec(replace(given, container=container))


def test_an_image_without_base64_says_so(definition: Define, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    command = component_spec(definition(show)).document["command"]
    outputs = {"out": tmp_path / "out"}
    done = run_command(
        command, tmp_path, {"text": str(as_primitive("it's", "STRING"))}, outputs, {"PATH": str(tmp_path)}
    )
    assert (done.returncode, done.stderr) == (1, "the image has no base64, which this value needs\n")


def test_a_failing_command_fails_the_job(definition: Define, tmp_path: Path) -> None:
    spec = component_spec(definition(copy))
    inputs = {"data": str(tmp_path / "nosuch"), "note": "x"}
    (tmp_path / "out").mkdir()
    done = run_command(spec.document["command"], tmp_path, inputs, {"out": tmp_path / "out", "rows": tmp_path / "rows"})
    assert done.returncode != 0
    assert not (tmp_path / "out" / "kfp.json").exists()


@dsl.container_component
def by_uri(out: Output[Model]) -> dsl.ContainerSpec:
    return dsl.ContainerSpec(image="debian:12", command=["echo", out.uri])


@dsl.container_component
def without_command() -> dsl.ContainerSpec:
    return dsl.ContainerSpec(image="debian:12")


@dsl.container_component
def with_an_else(more: Optional[str] = None) -> dsl.ContainerSpec:  # noqa: UP045
    placeholder = dsl.IfPresentPlaceholder("more", ["--more", more], ["--none"])
    return dsl.ContainerSpec(image="debian:12", command=["echo", placeholder])


@pytest.mark.parametrize(
    ("component", "refusal"),
    [
        (by_uri, r"by_uri: cannot run on Azure ML: its command has \{\{\$.outputs.artifacts\['out'\].uri\}\}"),
        (without_command, "without_command: cannot run on Azure ML: it has no command"),
        (with_an_else, "with_an_else: cannot run on Azure ML: its command has an else where more is missing"),
    ],
)
def test_what_azure_ml_has_nothing_for_is_refused(definition: Define, component: Any, refusal: str) -> None:
    with pytest.raises(PipelineError, match=refusal):
        component_spec(definition(component))
