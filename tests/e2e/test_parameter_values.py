"""Steps see the same parameter values in a local run, in an Azure ML job and on Kubeflow.

As from Kubeflow's launcher: whole numbers are ints unless declared as float, and an optional parameter without a value
is None, or the default of the component that receives it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from azureml_emulator import EmulatorInfo
from azureml_jobs import aml
from kubeflow_api import running_kubeflow_api

PROGRAM = str(Path(sys.executable).with_name("kfp-azureml"))
SOURCE = """
from typing import Dict, List, NamedTuple, Optional

from kfp import dsl
from kfp.dsl import Dataset, Input, Output

from helpers import python


@python
def optional(
    log: str,
    limit: Optional[int] = None,
    rate: Optional[float] = None,
    name: Optional[str] = None,
    flag: Optional[bool] = None,
    items: Optional[list] = None,
    options: Optional[dict] = None,
    five: Optional[int] = 5,
):
    import json

    with open(log, "a") as stream:
        stream.write(json.dumps(["optional", limit, rate, name, flag, items, options, five]) + "\\n")


@python
def numbers(
    log: str, whole: int, share: float, items: list, options: dict, text: str, table: Output[Dataset]
) -> NamedTuple("Made", [("whole", int), ("share", float), ("items", list), ("options", dict)]):
    import json
    from pathlib import Path

    with open(log, "a") as stream:
        stream.write(json.dumps(["numbers", whole, share, items, options, text]) + "\\n")
    Path(table.path).write_text("x")
    table.metadata["rows"] = 3
    return whole + 1, 3.0, [1, [2]], {"depth": 3, "tags": {"n": 4}}


@python
def passed_on(log: str, whole: int, share: float, items: list, options: dict, table: Input[Dataset]):
    import json

    with open(log, "a") as stream:
        stream.write(json.dumps(["passed on", whole, share, items, options, table.metadata["rows"]]) + "\\n")


@dsl.pipeline
def inner(log: str, limit: Optional[int] = None, at_least: int = 8):
    optional(log=log, limit=limit, five=6, name=f"inner {at_least}")


def build_pipeline(options):
    @dsl.pipeline(name="values")
    def values(
        log: str,
        limit: Optional[int] = None,
        rate: Optional[float] = None,
        name: Optional[str] = None,
        flag: Optional[bool] = None,
        items: Optional[List[int]] = None,
        options: Optional[Dict[str, int]] = None,
        five: Optional[int] = None,
        least: int = 20,
        share: float = 2.0,
        listed: list = [1, 2.5, {"a": 3}],
        object: dict = {"depth": 3, "deep": [4]},
    ):
        optional(
            log=log, limit=limit, rate=rate, name=name, flag=flag, items=items, options=options, five=five
        )
        made = numbers(log=log, whole=least, share=share, items=listed, options=object, text=f"n >= {least}")
        passed_on(
            log=log,
            whole=made.outputs["whole"],
            share=made.outputs["share"],
            items=made.outputs["items"],
            options=made.outputs["options"],
            table=made.outputs["table"],
        )
        inner(log=log, limit=limit)
        numbers(log=log, whole=1, share=2.0, items=[1, 2], options={"a": [5]}, text=f"{least} of {least}")
    return values
"""
HELPERS = """
from kfp import dsl

from kfp_azureml.images import ML_IMAGE

python = dsl.component(base_image=ML_IMAGE, install_kfp_package=False)
"""
ALWAYS = [
    ["passed on", 21, 3.0, [1, [2]], {"depth": 3, "tags": {"n": 4}}, 3],
    ["numbers", 1, 2.0, [1, 2], {"a": [5]}, "20 of 20"],
]
DEFAULT = ["numbers", 20, 2.0, [1, 2.5, {"a": 3}], {"depth": 3, "deep": [4]}, "n >= 20"]
NOTHING: dict[str, str] = {}
NULLS = {"limit": "null", "rate": "null", "flag": "null", "items": "null", "options": "null", "five": "null"}
GIVEN = {
    "limit": "3",
    "rate": "4",
    "name": "x",
    "flag": "false",
    "items": "[1, 2]",
    "options": '{"a": 1}',
    "five": "7",
    "listed": "[6, null]",
    "object": '{"b": 2.0, "none": null}',
}
NONE = [["optional", None, None, None, None, None, None, 5], ["optional", None, None, "inner 8", None, None, None, 6]]
SEEN = {
    "nothing": (NOTHING, [*ALWAYS, *NONE, DEFAULT]),
    "null": (NULLS, [*ALWAYS, *NONE, DEFAULT]),
    "values": (
        GIVEN,
        [
            *ALWAYS,
            ["optional", 3, 4.0, "x", False, [1, 2], {"a": 1}, 7],
            ["optional", 3, None, "inner 8", None, None, None, 6],
            ["numbers", 20, 2.0, [6, None], {"b": 2, "none": None}, "n >= 20"],
        ],
    ),
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "pipelines"
    folder.mkdir()
    (folder / "values.py").write_text(SOURCE)
    (folder / "helpers.py").write_text(HELPERS)
    return folder / "values.py"


def seen(log: Path) -> list[str]:
    """Return the values in the steps' log, which tells 2 from 2.0."""
    return sorted(map(normal, map(json.loads, log.read_text().splitlines())))


def normal(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def words(log: Path, params: dict[str, str]) -> list[str]:
    given = {"log": str(log), **params}
    return [word for name, value in given.items() for word in ("--param", f"{name}={value}")]


@pytest.mark.parametrize("case", SEEN)
def test_in_a_local_run(source: Path, tmp_path: Path, case: str) -> None:
    params, expected = SEEN[case]
    done = subprocess.run(
        [PROGRAM, "run", os.path.relpath(source, tmp_path), *words(tmp_path / "log", params)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert seen(tmp_path / "log") == sorted(map(normal, expected))


@pytest.mark.parametrize("case", SEEN)
def test_in_an_azure_ml_job(azure: EmulatorInfo, source: Path, tmp_path: Path, case: str) -> None:
    params, expected = SEEN[case]
    done = aml(azure, "submit", str(source), *words(tmp_path / "log", params), "--stream", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert seen(tmp_path / "log") == sorted(map(normal, expected))


@pytest.mark.parametrize("case", SEEN)
def test_kubeflow_is_given_what_was_typed_and_nothing_for_null(source: Path, tmp_path: Path, case: str) -> None:
    params, _ = SEEN[case]
    with running_kubeflow_api() as api:
        done = subprocess.run(
            [PROGRAM, "submit", str(source), *words(tmp_path / "log", params), "--host", api.url],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (run,) = api.runs.values()
    typed = {name: yaml.safe_load(value) for name, value in params.items() if value != "null"}
    assert run["runtime_config"]["parameters"] == {"log": str(tmp_path / "log"), **typed}


@pytest.mark.parametrize("command", ["run", "submit"])
@pytest.mark.parametrize("use", ["count(number=limit)", "say(text=f'at most {limit}')", "inner(limit=limit)"])
def test_a_step_that_needs_the_value_is_named_before_anything_runs(tmp_path: Path, command: str, use: str) -> None:
    (tmp_path / "needs.py").write_text(
        "from typing import Optional\nfrom kfp import dsl\n"
        "@dsl.component(base_image='x.y/z:1')\ndef count(number: int):\n    print(number)\n"
        "@dsl.component(base_image='x.y/z:1')\ndef say(text: str):\n    print(text)\n"
        "@dsl.pipeline\ndef inner(limit: Optional[int] = None):\n    count(number=limit)\n"
        "def build_pipeline(_options):\n"
        f"    @dsl.pipeline(name='needs')\n    def needs(limit: Optional[int] = None):\n        {use}\n"
        "    return needs\n"
    )
    host = ["--host", "http://127.0.0.1:9"] if command == "submit" else []
    done = subprocess.run(
        [PROGRAM, command, "needs.py", *host], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    step = "say" if "say" in use else "count"
    told = f"kfp-azureml: step {step} requires parameter limit: set --param limit=VALUE\n"
    assert (done.returncode, done.stderr) == (1, told)
