"""Notebooks: their formats, and what they find when they run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from azureml_emulator.databricks.notebooks import Cell, read_jupyter, read_source, write_jupyter, write_source
from databricks_api import Databricks

CELLS = [
    Cell("", "import os\n\nx = 1"),
    Cell("md", "## A title\ntext"),
    Cell("sql", "select 1"),
    Cell("", "print(x)"),
]


def test_a_notebook_survives_both_formats() -> None:
    assert read_source(write_source(CELLS)) == CELLS
    assert read_jupyter(write_jupyter(CELLS)) == CELLS


def test_source_is_as_databricks_writes_it() -> None:
    assert write_source(CELLS[:2]) == (
        "# Databricks notebook source\nimport os\n\nx = 1\n\n# COMMAND ----------\n\n"
        "# MAGIC %md\n# MAGIC ## A title\n# MAGIC text\n"
    )


def test_python_magic_is_code_and_plain_source_is_one_cell() -> None:
    assert read_source("# Databricks notebook source\n# MAGIC %python\n# MAGIC x = 1\n") == [Cell("", "x = 1")]
    assert read_source("x = 1\n") == [Cell("", "x = 1")]
    assert read_source("# Databricks notebook source\n%pip install x") == [Cell("pip", "install x")]


def test_jupyter_cells_are_texts_or_lists() -> None:
    cells = [
        {"cell_type": "code", "source": ["x = 1\n", "y = 2"]},
        {"cell_type": "code", "source": "z"},
        {"cell_type": "raw", "source": "left out"},
    ]
    assert read_jupyter(json.dumps({"cells": cells})) == [Cell("", "x = 1\ny = 2"), Cell("", "z")]
    with pytest.raises(ValueError, match="it has no list of cells"):
        read_jupyter("[]")


@pytest.mark.anyio
async def test_a_notebook_ends_with_a_value(databricks: Databricks) -> None:
    source = (
        "dbutils.widgets.text('a', '1')\ndbutils.widgets.text('b', '2')\n"
        "# COMMAND ----------\n# MAGIC %md\n# MAGIC text\n"
        "# COMMAND ----------\ntry:\n  dbutils.notebook.exit(dbutils.widgets.get('a') + dbutils.widgets.get('b'))\n"
        "except Exception:\n  pass\n# COMMAND ----------\nraise ValueError('not reached')"
    )
    run, output = await databricks.run_notebook(source, base_parameters={"a": "7"})

    assert run["state"]["result_state"] == "SUCCESS"
    assert output["notebook_output"] == {"result": "72", "truncated": False}
    assert "logs" not in output


@pytest.mark.anyio
async def test_paths_of_a_volume_are_usable_and_come_back_as_they_were(databricks: Databricks, tmp_path: Path) -> None:
    source = (
        "from pathlib import Path\npath = dbutils.widgets.get('out')\nPath(path).parent.mkdir(parents=True)\n"
        "Path(path).write_text('7')\ndbutils.notebook.exit(path)"
    )
    out = "/Volumes/main/default/v/new/out.txt"
    _, output = await databricks.run_notebook(source, base_parameters={"out": out})

    assert output["notebook_output"]["result"] == out
    assert (await databricks.send("GET", f"/api/2.0/fs/files{out}")).text == "7"


@pytest.mark.anyio
async def test_a_long_value_is_cut(databricks: Databricks) -> None:
    _, output = await databricks.run_notebook("dbutils.notebook.exit('a' * 6_000_000)")

    assert output["notebook_output"]["truncated"] is True
    assert len(output["notebook_output"]["result"]) == 5 * 1024 * 1024


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("x = 1\n# COMMAND ----------\n1 / 0", "ZeroDivisionError: division by zero"),
        ("# MAGIC %pip install x", "NotEmulatedError: <command 1>: the magic %pip is not emulated"),
        ("# MAGIC %sh ls", "NotEmulatedError: <command 1>: the magic %sh is not emulated"),
        ("dbutils.fs.ls('/')", "NotEmulatedError: dbutils.fs is not emulated"),
        ("dbutils.widgets.get('x')", "LookupError: InputWidgetNotDefined: No input widget named x is defined"),
        ("spark.range(3)", "PySpark is not installed in"),
        ("def f():\n  return sc", "PySpark is not installed in"),
    ],
)
async def test_a_failing_notebook_says_why(databricks: Databricks, source: str, error: str) -> None:
    run, output = await databricks.run_notebook(source)

    assert run["state"]["result_state"] == "FAILED"
    assert output["error"].startswith(error)
    assert output["notebook_output"] == {}


@pytest.mark.anyio
async def test_the_trace_shows_the_line_of_the_cell(databricks: Databricks) -> None:
    _, output = await databricks.run_notebook("x = 1\n# COMMAND ----------\n\ny = x / 0")

    assert 'File "<command 2>", line 1' in output["error_trace"]
    assert "y = x / 0" in output["error_trace"]
    assert "run_task.py" not in output["error_trace"]


@pytest.mark.anyio
async def test_a_missing_notebook_fails_the_run(databricks: Databricks) -> None:
    tasks = [{"task_key": "main", "notebook_task": {"notebook_path": "/Shared/none"}}]
    run = await databricks.ended((await databricks.post("2.2/jobs/runs/submit", tasks=tasks))["run_id"])

    assert run["state"]["life_cycle_state"] == "INTERNAL_ERROR"
    assert run["status"]["termination_details"]["code"] == "RESOURCE_NOT_FOUND"
    assert 'Unable to access the notebook "/Shared/none"' in (await databricks.output(run))["error"]
