from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from databricks_api import Databricks

pytestmark = pytest.mark.anyio
NOTEBOOK = "# Databricks notebook source\nprint(1)\n"


async def exported(databricks: Databricks, path: str, form: str = "SOURCE") -> str:
    answer = await databricks.get("2.0/workspace/export", path=path, format=form)
    return base64.b64decode(answer["content"]).decode()


async def test_auto_tells_notebooks_from_files(databricks: Databricks) -> None:
    await databricks.import_item("/Shared/notebook.py", NOTEBOOK)
    await databricks.import_item("/Workspace/Shared/file.py", "print(1)")
    await databricks.import_item("/Shared/jupyter.ipynb", json.dumps({"cells": []}))

    items = (await databricks.get("2.0/workspace/list", path="/Workspace/Shared"))["objects"]

    assert [(item["path"], item["object_type"], item.get("language")) for item in items] == [
        ("/Shared/file.py", "FILE", None),
        ("/Shared/jupyter", "NOTEBOOK", "PYTHON"),
        ("/Shared/notebook", "NOTEBOOK", "PYTHON"),
    ]
    status = await databricks.get("2.0/workspace/get-status", path="/Shared/notebook")
    assert status["object_type"] == "NOTEBOOK"


async def test_a_notebook_is_exported_in_both_formats(databricks: Databricks) -> None:
    await databricks.import_item("/Shared/n", NOTEBOOK, format="SOURCE", language="PYTHON")

    assert await exported(databricks, "/Shared/n") == NOTEBOOK
    jupyter = await exported(databricks, "/Shared/n", "JUPYTER")
    assert json.loads(jupyter)["cells"][0]["source"] == ["print(1)"]
    await databricks.import_item("/Shared/j", jupyter, format="JUPYTER")
    assert await exported(databricks, "/Shared/j") == NOTEBOOK


async def test_an_import_replaces_only_on_demand_and_only_the_same_kind(databricks: Databricks) -> None:
    await databricks.import_item("/Shared/n", NOTEBOOK, format="SOURCE", language="PYTHON")
    item = {"path": "/Shared/n", "content": "", "format": "SOURCE", "language": "PYTHON"}

    refused = await databricks.refused("POST", "2.0/workspace/import", json=item)
    assert refused == (400, "RESOURCE_ALREADY_EXISTS", "Path (/Shared/n) already exists.")
    status, _, message = await databricks.refused(
        "POST", "2.0/workspace/import", json={**item, "format": "RAW", "overwrite": True}
    )
    assert (status, "Node type mismatch" in message) == (400, True)
    await databricks.import_item("/Shared/n", "x", format="SOURCE", language="PYTHON", overwrite=True)
    assert await exported(databricks, "/Shared/n") == "x"


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"path": "/Shared/none/n"}, 404, "RESOURCE_DOES_NOT_EXIST"),
        ({"path": "Shared/n"}, 400, "INVALID_PARAMETER_VALUE"),
        ({"path": "/Shared/../../n"}, 400, "INVALID_PARAMETER_VALUE"),
        ({"path": "/Shared/n", "language": None}, 400, "INVALID_PARAMETER_VALUE"),
        ({"path": "/Shared/n", "format": "JUPYTER"}, 400, "INVALID_PARAMETER_VALUE"),
        ({"path": "/Shared/n", "format": "DBC"}, 501, "NOT_IMPLEMENTED"),
        ({"path": "/Shared/n", "content": "***"}, 400, "INVALID_PARAMETER_VALUE"),
        ({"path": "/Shared/n", "content": "A" * 14_000_004}, 400, "MAX_NOTEBOOK_SIZE_EXCEEDED"),
    ],
)
async def test_invalid_imports_are_refused(
    databricks: Databricks, fields: dict[str, object], status: int, code: str
) -> None:
    item = {"content": "", "format": "SOURCE", "language": "PYTHON", **fields}

    assert (await databricks.refused("POST", "2.0/workspace/import", json=item))[:2] == (status, code)


async def test_folders_are_made_and_deleted(databricks: Databricks, tmp_path: Path) -> None:
    await databricks.post("2.0/workspace/mkdirs", path="/Shared/a/b")
    await databricks.import_item("/Shared/a/b/n.py", NOTEBOOK)

    status, code, _ = await databricks.refused("POST", "2.0/workspace/delete", json={"path": "/Shared/a"})
    assert (status, code) == (400, "DIRECTORY_NOT_EMPTY")
    await databricks.post("2.0/workspace/delete", path="/Shared/a", recursive=True)
    missing = await databricks.refused("GET", "2.0/workspace/get-status?path=/Shared/a")
    assert missing == (404, "RESOURCE_DOES_NOT_EXIST", "Path (/Shared/a) doesn't exist.")
    # A new item in its place is what it is, not what was there before.
    await databricks.post("2.0/workspace/mkdirs", path="/Shared/a/b")
    await databricks.import_item("/Shared/a/b/n", "x", format="RAW")
    assert (await databricks.get("2.0/workspace/get-status", path="/Shared/a/b/n"))["object_type"] == "FILE"


async def test_a_link_out_of_the_workspace_is_refused(databricks: Databricks, tmp_path: Path) -> None:
    (tmp_path / "databricks" / "Workspace" / "Shared" / "out").symlink_to("/etc")

    assert (await databricks.refused("GET", "2.0/workspace/export?path=/Shared/out/passwd"))[0] == 400


async def test_jupyter_that_cannot_be_read_or_written_is_refused(databricks: Databricks) -> None:
    deep = {"path": "/Shared/n", "format": "JUPYTER", "content": base64.b64encode(b"[" * 100_000).decode()}
    refused = await databricks.refused("POST", "2.0/workspace/import", json=deep)
    assert refused[0] == 400
    assert refused[2].endswith("its JSON is nested too deeply.")
    content = {"path": "/Shared/n", "content": "é"}
    assert (await databricks.refused("POST", "2.0/workspace/import", json=content))[2] == "content must be base64."

    await databricks.import_item("/Shared/half.ipynb", '{"cells": [{"cell_type": "code", "source": "\\ud800"}]}')
    assert "\n?\n" in await exported(databricks, "/Shared/half")


async def test_links_and_pipes_that_a_run_made_are_no_files(databricks: Databricks) -> None:
    paths = databricks.context.databricks.paths
    for folder in ("/Workspace/Shared", "/Volumes/a/b/c"):
        local = paths.volume(folder)
        local.mkdir(parents=True, exist_ok=True)
        (local / "dangling").symlink_to(local / "nothing")
        (local / "passwd").symlink_to("/etc/passwd")
        os.mkfifo(local / "pipe")

    assert (await databricks.refused("GET", "2.0/workspace/export?path=/Shared/pipe"))[0] == 400
    assert (await databricks.refused("GET", "2.0/dbfs/read?path=/Volumes/a/b/c/pipe"))[0] == 400
    for path in ("fs/files/Volumes/a/b/c/passwd", "workspace/export?path=/Shared/passwd"):
        assert (await databricks.refused("GET", f"2.0/{path}"))[0] == 400
    listed = await databricks.get("2.0/fs/directories/Volumes/a/b/c")
    assert [entry["name"] for entry in listed["contents"]] == ["pipe"]
    assert len((await databricks.get("2.0/dbfs/list", path="/Volumes/a/b/c"))["files"]) == 1
    assert len((await databricks.get("2.0/workspace/list", path="/Shared"))["objects"]) == 1
