"""Run one task in a process of its own: a Python file or a notebook."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from azureml_emulator.databricks import states
from azureml_emulator.databricks.errors import DatabricksError
from azureml_emulator.databricks.local_paths import LocalPaths
from azureml_emulator.databricks.runs import Output, Run, Runs, TaskRun
from azureml_emulator.databricks.secrets import SecretScopes
from azureml_emulator.databricks.spark_configuration import configure_spark
from azureml_emulator.databricks.states import State, internal_error
from azureml_emulator.databricks.workspace_items import WorkspaceItems
from azureml_emulator.machine.processes import ChildProcess
from azureml_emulator.settings import Settings
from azureml_emulator.store import Document

DRIVER = Path(__file__).with_name("driver") / "run_task.py"
OUTPUT_BYTES = 5 * 1024 * 1024
"""Limit of the logs and of a notebook's result; the service's."""
TASK_TYPES = (
    *("notebook_task", "spark_python_task", "python_wheel_task", "spark_jar_task", "spark_submit_task", "sql_task"),
    *("dbt_task", "pipeline_task", "run_job_task", "condition_task", "for_each_task", "dashboard_task", "alert_task"),
    *("clean_rooms_notebook_task", "gen_ai_compute_task", "power_bi_task", "ai_runtime_task", "python_operator_task"),
    *("dbt_cloud_task", "dbt_platform_task"),
)
RUN_TYPES = ("spark_python_task", "notebook_task")
"""Those that the emulator runs."""
REFERENCE = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")
NETWORK = re.compile(r"https?_proxy|no_proxy|requests_ca_bundle|ssl_cert_file|curl_ca_bundle", re.IGNORECASE)
"""Variables of a client of the emulator that a task gets, too; no credentials."""


@dataclass(frozen=True)
class Execution:
    """What is needed to run tasks.

    Attributes:
        settings: The emulator's settings.
        runs: Where outputs are kept.
        paths: Where volumes, workspace and DBFS are.
        items: The workspace's notebooks.
        scopes: The secrets of runs.
        folder: The folder of all running tasks.
        environment: The variables of a client of the emulator; set once the proxy runs.
    """

    settings: Settings
    runs: Runs
    paths: LocalPaths
    items: WorkspaceItems
    scopes: SecretScopes
    folder: Path
    environment: dict[str, str] = field(default_factory=dict, repr=False)

    async def run(self, run: Run, task: TaskRun) -> State:
        """Run a task to its end; cancelling ends its processes.

        Returns:
            Its final state. Its output is kept in `runs`.
        """
        try:
            description = self._describe(run, task)
        except DatabricksError as error:
            code = "RESOURCE_NOT_FOUND" if error.code == "RESOURCE_DOES_NOT_EXIST" else "INVALID_RUN_CONFIGURATION"
            return internal_error(error.message, code)
        folder = self.folder / str(task.id)
        folder.mkdir(parents=True)
        token = self.scopes.new_run_token()
        try:
            return await self._run_process(task, {**description, "run_token": token}, folder)
        finally:
            self.scopes.end_run_token(token)
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _describe(self, run: Run, task: TaskRun) -> Document:
        """Return what the driver needs to know.

        Raises:
            DatabricksError: If the task cannot be run.
        """
        kind = next(name for name in TASK_TYPES if task.settings.get(name) is not None)
        if kind not in RUN_TYPES:
            message = f"The emulator does not run {kind}, only {' and '.join(RUN_TYPES)}."
            raise DatabricksError(501, "NOT_IMPLEMENTED", message)
        settings = task.settings[kind]
        if settings.get("source") == "GIT":
            raise DatabricksError(
                501, "NOT_IMPLEMENTED", "The emulator runs nothing from Git: set source to WORKSPACE."
            )
        common = {"host": f"https://{self.settings.databricks_host}", "widgets": {}}
        if kind == "spark_python_task":
            return {**common, "kind": "python", **self._describe_script(run, task, settings)}
        return {**common, "kind": "notebook", **self._describe_notebook(run, task, settings)}

    def _describe_script(self, run: Run, task: TaskRun, settings: Document) -> Document:
        file = self.paths.task_file(settings["python_file"])
        if not file.is_file():
            message = (
                f"Cannot read the python file {settings['python_file']}. Please check driver logs for more details."
            )
            raise DatabricksError(404, "RESOURCE_DOES_NOT_EXIST", message)
        given = run.parameters.get("python_params") or settings.get("parameters") or []
        return {"file": str(file), "parameters": [self._value(run, task, value) for value in given]}

    def _describe_notebook(self, run: Run, task: TaskRun, settings: Document) -> Document:
        path = settings["notebook_path"]
        try:
            cells = self.items.cells(path)
        except DatabricksError:
            message = (
                f'Unable to access the notebook "{path}". Either it does not exist, or the identity used to run this'
                " job lacks the required permissions."
            )
            raise DatabricksError(404, "RESOURCE_DOES_NOT_EXIST", message) from None
        if self.items.language(path) != "PYTHON":
            raise DatabricksError(501, "NOT_IMPLEMENTED", f"The emulator runs notebooks in Python only, not {path}.")
        # A job's parameters reach every notebook; a run's own replace the task's.
        values = {
            **(settings.get("base_parameters") or {}),
            **(run.parameters.get("notebook_params") or {}),
            **run.job_parameters,
        }
        widgets = {name: self._value(run, task, value) for name, value in values.items()}
        return {"cells": [asdict(cell) for cell in cells], "widgets": widgets}

    def _value(self, run: Run, task: TaskRun, value: Any) -> str:
        """Return a parameter as the task sees it: references resolved, paths of this machine."""
        known = {f"job.parameters.{name}": text for name, text in run.job_parameters.items()}
        known |= {
            "job.id": str(run.job_id),
            "job.run_id": str(run.id),
            "job.name": run.name,
            "task.name": task.key,
            "task.run_id": str(task.id),
        }
        resolved = REFERENCE.sub(lambda match: known.get(match[1], match[0]), str(value))
        return self.paths.value(resolved)

    async def _run_process(self, task: TaskRun, description: Document, folder: Path) -> State:
        python = self.settings.spark_python or Path(sys.executable)
        description_file, result_file, log = folder / "task.json", folder / "result.json", folder / "log.txt"
        description_file.write_text(json.dumps(description))
        work = folder / "work"
        work.mkdir()
        environment = {
            "PATH": f"{python.parent}{os.pathsep}{os.defpath}",
            "HOME": str(work),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            **{name: value for name, value in self.environment.items() if NETWORK.fullmatch(name)},
            **configure_spark(folder, python),
            **_cluster_variables(task),
        }
        command = [python, DRIVER, description_file, result_file]
        try:
            process = await ChildProcess.start(command, log=log, env=environment, cwd=work)
        except (OSError, ValueError) as error:  # a variable of the cluster that can be none
            return internal_error(f"The task cannot be started: {error}.", "DRIVER_ERROR")
        try:
            exit_code = await process.wait()
        finally:
            await process.stop()
            output = self._read_output(task, log, result_file)
            self.runs.put_output(task.id, output)
        if exit_code == 0:
            return states.SUCCESS
        if not output.error:
            reason = f"The Python process exited with code {exit_code}."
            self.runs.put_output(task.id, replace(output, error=reason, trace=reason))
        return states.WORKLOAD_FAILED

    def _read_output(self, task: TaskRun, log: Path, result_file: Path) -> Output:
        result = _read_result(result_file)
        value = result.get("value")
        shown = None if value is None else self.paths.hide(value).encode()
        logs, truncated = b"", False
        # As the service: a notebook's prints are in its cells, not here.
        if "notebook_task" not in task.settings and _is_plain_file(log):
            truncated = log.stat().st_size > OUTPUT_BYTES
            with log.open("rb") as file:
                file.seek(-OUTPUT_BYTES if truncated else 0, os.SEEK_END if truncated else os.SEEK_SET)
                tail = file.read(OUTPUT_BYTES).decode(errors="replace")
            logs = self.paths.hide(tail).encode()[-OUTPUT_BYTES:]
        return Output(
            error=self.paths.hide(result.get("error", "")),
            trace=self.paths.hide(result.get("trace", "")),
            logs=logs.decode(errors="ignore"),
            logs_truncated=truncated,
            result=None if shown is None else shown[:OUTPUT_BYTES].decode(errors="ignore"),
            result_truncated=shown is not None and len(shown) > OUTPUT_BYTES,
        )


def _read_result(file: Path) -> dict[str, str]:
    """Return what the driver wrote; nothing, if the task put something else in its place."""
    try:
        result = json.loads(file.read_bytes()) if _is_plain_file(file) else {}
    except (ValueError, RecursionError):
        return {}
    found = result.items() if isinstance(result, dict) else ()
    # Half a surrogate pair can be in a Python text, but not in UTF-8.
    return {name: value.encode(errors="replace").decode() for name, value in found if isinstance(value, str)}


def _is_plain_file(path: Path) -> bool:
    """Return whether a task left a file here: reading a pipe would never end."""
    return path.is_file() and not path.is_symlink()


def _cluster_variables(task: TaskRun) -> dict[str, str]:
    """Return the `spark_env_vars` of a task's own cluster."""
    given = (task.settings.get("new_cluster") or {}).get("spark_env_vars") or {}
    return {str(name): str(value) for name, value in given.items()}
