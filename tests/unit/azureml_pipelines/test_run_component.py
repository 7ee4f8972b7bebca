"""A component's job, run: the real command, kfp's real executor."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Output

from azureml_commands import run_command, snapshot
from hostile_texts import HOSTILE
from kfp_azureml.azureml_pipelines.definition import Definition
from kfp_azureml.azureml_pipelines.in_job.job_text import decode
from kfp_azureml.azureml_pipelines.parameters import as_primitive
from kfp_azureml.azureml_pipelines.spec import IN_JOB, component_spec

Job = Callable[..., Any]


@pytest.fixture
def job(tmp_path: Path, definition: Callable[[Any], Definition]) -> Job:
    """Return a function that runs a component as a job, and returns the process and the outputs' paths."""

    def run(component: Any, inputs: Mapping[str, str], environ: Mapping[str, str] = {}) -> Any:
        spec = component_spec(definition(component))
        folder = tmp_path / f"job-{spec.name}"
        folder.mkdir()
        code = snapshot(spec.write(folder), IN_JOB, folder / "code")
        outputs = {name: folder / "outputs" / name for name in spec.document.get("outputs", {})}
        declared = spec.document.get("inputs", {})
        defaults = {name: str(each["default"]) for name, each in declared.items() if "default" in each}
        return run_command(spec.document["command"], code, {**defaults, **inputs}, outputs, environ), outputs

    return run


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def make(
    table: Output[Dataset],
    folder: Output[Artifact],
    page: Output[HTML],
    metrics: Output[Metrics],
    written: dsl.OutputPath(int),
    count: int,
    fraction: float,
    flag: bool,
    names: list,
    tags: dict = {"a": 1},  # noqa: B006
    word: str = "it's",
    run_id: str = "",
    more: Input[Artifact] = None,
) -> NamedTuple("Outputs", [("total", float), ("ok", bool), ("text", str), ("again", list)]):
    from pathlib import Path

    assert (count, fraction, flag, names, tags, word) == (3, 0.5, True, ["a", "b"], {"a": 1}, "it's"), locals()
    assert more is None
    Path(table.path).write_text("hello")
    table.metadata["rows"] = 7
    Path(folder.path).mkdir()
    Path(folder.path, "inside").write_text("x")
    Path(page.path).write_text("<p>")
    metrics.log_metric("accuracy", 0.75)
    Path(written).write_text("41")
    return count * fraction, flag, run_id, names


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def take(table: Input[Dataset], folder: Input[Artifact], foreign: Input[Artifact]) -> str:
    from pathlib import Path

    assert Path(table.path).read_text() == "hello"
    assert table.metadata == {"rows": 7}
    assert [path.name for path in Path(folder.path).iterdir()] == ["inside"]
    return Path(foreign.path, "plain.txt").read_text()


INPUTS = {"count": "3.0", "fraction": "0.5", "flag": "True", "names": '["a", "b"]'}


def test_values_and_artifacts_come_and_go_as_in_kfp(job: Job, tmp_path: Path) -> None:
    made, outputs = job(make, {**INPUTS, "run_id": "{{$.pipeline_job_uuid}}"}, {"AZUREML_ROOT_RUN_ID": "root-1"})
    assert made.returncode == 0, made.stdout + made.stderr
    values = {name: outputs[name].read_text() for name in ("total", "ok", "text", "again", "written")}
    assert values == {"total": "1.5", "ok": "True", "text": "root-1", "again": '["a", "b"]', "written": "41"}
    assert sorted(path.name for path in outputs["page"].iterdir()) == ["kfp.json", "page.html"]
    assert json.loads((outputs["metrics"] / "kfp.json").read_text())["metadata"] == {"accuracy": 0.75}

    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "plain.txt").write_text("not from a KFP step")
    given = {"table": str(outputs["table"]), "folder": str(outputs["folder"]), "foreign": str(foreign)}
    taken, results = job(take, given)
    assert taken.returncode == 0, taken.stdout + taken.stderr
    assert results["Output"].read_text() == "not from a KFP step"


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def look(optional: Input[Artifact] = None) -> str:
    from pathlib import Path

    return Path(optional.path).read_text() if optional else "nothing"


@pytest.mark.parametrize("kind", ["system.Artifact", "acme.Table"])
def test_an_optional_artifact_arrives_even_if_kfp_does_not_know_its_type(job: Job, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "table"
    folder.mkdir()
    (folder / "table").write_text("rows")
    described = {"type": {"schemaTitle": kind}, "path": "table", "metadata": {}}
    (folder / "kfp.json").write_text(json.dumps(described))
    given, outputs = job(look, {"optional": str(folder)})
    assert given.returncode == 0, given.stdout + given.stderr
    assert outputs["Output"].read_text() == "rows"


def test_of_several_workers_only_the_first_describes_its_outputs(job: Job) -> None:
    config = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}, "environment": "cloud"}
    done, outputs = job(make, INPUTS, {"TF_CONFIG": json.dumps(config)})
    assert done.returncode == 0, done.stderr
    assert not (outputs["table"] / "kfp.json").exists()
    assert not outputs["total"].exists()


def test_an_optional_artifact_may_be_left_out(job: Job) -> None:
    skipped_tasks, outputs = job(look, {})
    assert skipped_tasks.returncode == 0, skipped_tasks.stdout + skipped_tasks.stderr
    assert outputs["Output"].read_text() == "nothing"


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def fail(code: int, text: str = "fine") -> str:
    import sys

    if code:
        sys.exit(code)
    return text


def test_a_failed_component_fails_its_job_and_leaves_no_values(job: Job) -> None:
    failed, outputs = job(fail, {"code": "3"})
    assert failed.returncode == 3
    assert not outputs["Output"].exists()


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def echo(text: str, texts: list, named: dict) -> NamedTuple(
    "Outputs", [("text", str), ("texts", list), ("named", dict)]
):
    return text, texts, named


@pytest.mark.parametrize("text", HOSTILE)
def test_any_value_arrives_as_it_is_and_goes_on_as_it_is(job: Job, tmp_path: Path, text: str) -> None:
    given = {
        "text": as_primitive(text, "STRING"),
        "texts": as_primitive([text, "cat's ear"], "LIST"),
        "named": as_primitive({text: "x' $(touch pwned) 'y"}, "STRUCT"),
    }
    for _ in ("from the pipeline", "from a step"):
        done, outputs = job(echo, given)
        assert done.returncode == 0, done.stdout + done.stderr
        given = {name: outputs[name].read_text() for name in given}
        assert decode(given["text"]) == text
        assert json.loads(decode(given["texts"])) == [text, "cat's ear"]
        assert json.loads(decode(given["named"])) == {text: "x' $(touch pwned) 'y"}
        shutil.rmtree(tmp_path / "job-echo")
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize("text", [text for text in HOSTILE if text and "base64" not in text])
def test_what_somebody_types_plainly_arrives_too(job: Job, tmp_path: Path, text: str) -> None:
    done, outputs = job(echo, {"text": text, "texts": "[1, 2]", "named": "{}"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert decode(outputs["text"].read_text()) == text
    assert not list(tmp_path.rglob("pwned"))


def test_values_that_are_too_long_together_are_said_in_one_line(job: Job) -> None:
    done, _ = job(echo, {"text": "x" * 80_000, "texts": json.dumps(["y" * 80_000]), "named": "{}"})
    assert (done.returncode, done.stderr) == (1, "sh cannot be started: Argument list too long\n")
