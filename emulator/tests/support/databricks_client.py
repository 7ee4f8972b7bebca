"""The real databricks-sdk as a client of an emulator."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.config import Config
from databricks.sdk.service import jobs, workspace

from azureml_emulator import EmulatorInfo


@contextmanager
def client_environment(emulator: EmulatorInfo) -> Iterator[None]:
    """Let this process be a client of an emulator, without settings of its own for Databricks."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("DATABRICKS_", "ARM_"))]:
            patch.delenv(name)
        # No ~/.databrickscfg.
        patch.setenv("DATABRICKS_CONFIG_FILE", os.devnull)
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        yield


def connect(**settings: Any) -> WorkspaceClient:
    """Return a client of the workspace in the environment; it signs in with the client secret unless told otherwise."""
    return WorkspaceClient(config=Config(**{"retry_timeout_seconds": 30, **settings}))


def import_notebook(client: WorkspaceClient, path: str, *cells: str) -> None:
    """Import a Python notebook."""
    source = "# Databricks notebook source\n" + "\n# COMMAND ----------\n".join(cells)
    client.workspace.import_(
        path,
        content=base64.b64encode(source.encode()).decode(),
        format=workspace.ImportFormat.SOURCE,
        language=workspace.Language.PYTHON,
        overwrite=True,
    )


def import_file(client: WorkspaceClient, path: str, content: str) -> None:
    """Import a workspace file."""
    encoded = base64.b64encode(content.encode()).decode()
    client.workspace.import_(path, content=encoded, format=workspace.ImportFormat.AUTO, overwrite=True)


def script_task(path: str, *parameters: str, key: str = "main", **fields: Any) -> jobs.SubmitTask:
    """Return a task that runs a Python file."""
    python = jobs.SparkPythonTask(python_file=path, parameters=list(parameters))
    return jobs.SubmitTask(task_key=key, spark_python_task=python, **fields)


def notebook_task(path: str, key: str = "main", **parameters: str) -> jobs.SubmitTask:
    """Return a task that runs a notebook."""
    return jobs.SubmitTask(task_key=key, notebook_task=jobs.NotebookTask(path, base_parameters=parameters))
