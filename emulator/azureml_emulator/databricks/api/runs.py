"""Runs: submit, watch, cancel, repair, delete."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from azureml_emulator.context import context_of
from azureml_emulator.databricks.api import requests
from azureml_emulator.databricks.api.tasks import read_tasks
from azureml_emulator.databricks.clock import milliseconds
from azureml_emulator.databricks.errors import DatabricksError, invalid, invalid_state
from azureml_emulator.databricks.runs import Run, TaskRun, new_id
from azureml_emulator.databricks.service import Databricks
from azureml_emulator.databricks.task_order import upstream
from azureml_emulator.settings import Settings
from azureml_emulator.store import Document

TASKS_PER_PAGE = 100
TOKEN_LENGTH = 64
RUN_TYPES = ("JOB_RUN", "SUBMIT_RUN", "WORKFLOW_RUN")
OVERRIDES = (
    "notebook_params",
    "python_params",
    "jar_params",
    "spark_submit_params",
    "python_named_params",
    "sql_params",
)
SEVERAL_TASKS = (
    "Retrieving the output of runs with multiple tasks is not supported. Please retrieve the output of each individual"
    " task run instead."
)


async def submit(request: Request) -> Response:
    """Submit a run without a job."""
    databricks = context_of(request).databricks
    asked = await requests.read(request)
    if earlier := earlier_run(databricks, asked):
        return JSONResponse({"run_id": earlier.id})
    tasks = read_tasks(asked, databricks.clusters)
    if not tasks:
        raise invalid("At least one task is required: the emulator knows only runs with 'tasks'.")
    requests.whole_numbers(asked, "timeout_seconds")
    requests.optional_object(asked, "queue")
    name = requests.optional_text(asked, "run_name") or "Untitled"
    task_runs = tuple(TaskRun(new_id(), task["task_key"], task) for task in tasks)
    run = Run(new_id(), new_id(), "SUBMIT_RUN", name, asked, task_runs)
    start(databricks, run, asked)
    return JSONResponse({"run_id": run.id})


def earlier_run(databricks: Databricks, asked: Document) -> Run | None:
    """Return the run that was made with the request's idempotency token, or None.

    Raises:
        DatabricksError: 400, if the token is too long, or its run was deleted.
    """
    token = requests.optional_text(asked, "idempotency_token")
    if token and len(token) > TOKEN_LENGTH:
        raise invalid(f"The idempotency token must have at most {TOKEN_LENGTH} characters, not {len(token)}.")
    run_id = databricks.runs.token_owner(token) if token else None
    if run_id is None:
        return None
    run = databricks.runs.get(run_id)
    if run is None:
        raise invalid(f"Run {run_id} of the idempotency token was deleted; use another token.")
    return run


def start(databricks: Databricks, run: Run, asked: Document) -> None:
    """Start a new run, and keep the request's idempotency token for it."""
    if token := asked.get("idempotency_token"):
        databricks.runs.reserve_token(token, run.id)
    databricks.scheduler.start(databricks.runs.put(run))


async def get(request: Request) -> Response:
    """Get a run, or one task's; of more than 100 tasks, a page."""
    context = context_of(request)
    asked = await requests.read(request)
    run_id = requests.integer(asked, "run_id")
    if run := context.databricks.runs.get(run_id):
        shown = show(run, context.settings)
        tasks, following = requests.page({"page_token": asked.get("page_token")}, shown["tasks"], default=100, most=100)
        if not following["has_more"]:
            following = {}
        history = {"repair_history": _repairs(run)} if requests.flag(asked, "include_history") else {}
        return JSONResponse({**shown, "tasks": tasks, **following, **history})
    if found := context.databricks.runs.find_task(run_id):
        return JSONResponse(_task_as_run(*found, context.settings))
    raise missing(run_id)


async def get_output(request: Request) -> Response:
    """Get what one task left behind."""
    context = context_of(request)
    run_id = requests.integer(await requests.read(request), "run_id")
    if context.databricks.runs.get(run_id):
        raise invalid(SEVERAL_TASKS)
    found = context.databricks.runs.find_task(run_id)
    if found is None:
        raise missing(run_id)
    run, task = found
    output = context.databricks.runs.output(run_id)
    shown: Document = {"metadata": _task_as_run(run, task, context.settings)}
    if task.state.failed:
        shown["error"] = output.error or task.state.message
    if output.trace:
        shown["error_trace"] = output.trace
    if "notebook_task" in task.settings:
        # A notebook that ended without a value has an empty output.
        kept = {} if output.result is None else {"result": output.result, "truncated": output.result_truncated}
        shown["notebook_output"] = kept
    elif task.state.has_ended:
        shown |= {"logs": output.logs, "logs_truncated": output.logs_truncated}
    return JSONResponse(shown)


async def list_all(request: Request) -> Response:
    """List runs, the newest first; paged."""
    context = context_of(request)
    asked = await requests.read(request)
    active, completed = requests.flag(asked, "active_only"), requests.flag(asked, "completed_only")
    if active and completed:
        raise invalid("active_only and completed_only cannot both be true.")
    kind = requests.optional_text(asked, "run_type")
    if kind and kind not in RUN_TYPES:
        raise invalid(f"run_type must be one of {', '.join(RUN_TYPES)}.")
    job_id = requests.optional_integer(asked, "job_id")
    begin = requests.optional_integer(asked, "start_time_from") or 0
    end = requests.optional_integer(asked, "start_time_to") or milliseconds()
    found = [
        run
        for run in context.databricks.runs.all()
        if job_id in (None, run.job_id)
        and kind in (None, run.kind)
        and not (run.state.has_ended if active else completed and not run.state.has_ended)
        and begin <= run.created <= end
    ]
    runs, following = requests.page(asked, found, default=20, most=25)
    shown = [show(run, context.settings) for run in runs]
    for each in shown:
        tasks = each.pop("tasks")
        if requests.flag(asked, "expand_tasks"):
            each |= {"tasks": tasks[:TASKS_PER_PAGE], "has_more": len(tasks) > TASKS_PER_PAGE}
    return JSONResponse({**({"runs": shown} if shown else {}), **following})


async def cancel(request: Request) -> Response:
    """Cancel a run, or one task's, in the background."""
    databricks = context_of(request).databricks
    run_id = requests.integer(await requests.read(request), "run_id")
    if databricks.runs.get(run_id) is None and databricks.runs.find_task(run_id) is None:
        raise missing(run_id)
    databricks.scheduler.cancel(run_id)
    return JSONResponse({})


async def cancel_all(request: Request) -> Response:
    """Cancel all active runs of a job."""
    databricks = context_of(request).databricks
    for run in databricks.runs.active(requests.integer(await requests.read(request), "job_id")):
        databricks.scheduler.cancel(run.id)
    return JSONResponse({})


async def repair(request: Request) -> Response:
    """Run failed or chosen tasks of a run that has ended again."""
    databricks = context_of(request).databricks
    asked = await requests.read(request)
    run = _run(databricks, requests.integer(asked, "run_id"))
    if not run.state.has_ended:
        raise invalid_state(f"Run {run.id} is active and cannot be repaired.")
    latest_repair = run.repairs[-1]["id"] if run.repairs else None
    if requests.optional_integer(asked, "latest_repair_id") != latest_repair:
        raise invalid(f"latest_repair_id must be that of the run's last repair: {latest_repair}.")
    again = _tasks_again(run, asked)
    if not again:
        raise invalid("No task to repair: give rerun_tasks, or rerun_all_failed_tasks of a run with failed tasks.")
    parameters = {**run.job_parameters, **requests.values(asked, "job_parameters")}
    overrides = {**run.parameters, **read_overrides(asked)}
    repair_id = databricks.scheduler.repair(run, again, job_parameters=parameters, parameters=overrides)
    return JSONResponse({"repair_id": repair_id})


def _tasks_again(run: Run, asked: Document) -> set[str]:
    latest = run.latest
    again = set(requests.texts(asked, "rerun_tasks"))
    for unknown in again - set(latest):
        raise invalid(f"The task {unknown} is not in run {run.id}.")
    if requests.flag(asked, "rerun_all_failed_tasks"):
        again |= {key for key, task in latest.items() if task.state.result != "SUCCESS"}
    if requests.flag(asked, "rerun_dependent_tasks"):
        while more := {key for key, task in latest.items() if again & set(upstream(task.settings))} - again:
            again |= more
    return again


async def delete(request: Request) -> Response:
    """Delete a run that has ended."""
    databricks = context_of(request).databricks
    run = _run(databricks, requests.integer(await requests.read(request), "run_id"))
    if not run.state.has_ended:
        raise invalid_state(f"Run {run.id} is active and cannot be deleted.")
    databricks.runs.delete(run.id)
    return JSONResponse({})


def read_overrides(asked: Document) -> Document:
    """Read the values that replace those of the tasks.

    Raises:
        DatabricksError: 400, if one is invalid.
    """
    for name in ("notebook_params", "python_named_params", "sql_params"):
        requests.values(asked, name)
    for name in ("python_params", "jar_params", "spark_submit_params"):
        requests.texts(asked, name)
    return {name: asked[name] for name in OVERRIDES if asked.get(name)}


def show(run: Run, settings: Settings) -> Document:
    """Return a run as the API shows it."""
    parameters = [{"name": name, "value": value} for name, value in run.job_parameters.items()]
    named = ("job_clusters", "git_source", "description")
    return {
        "run_id": run.id,
        "job_id": run.job_id,
        "job_run_id": run.id,
        "number_in_job": run.id,
        "original_attempt_run_id": run.id,
        "run_name": run.name,
        "run_type": run.kind,
        "run_page_url": page_url(run, run.id, settings),
        "format": "MULTI_TASK",
        "trigger": "ONE_TIME",
        "creator_user_name": settings.client_id,
        "start_time": run.created,
        **_durations(run.created, run.ended),
        **run.state.show(),
        **{name: run.settings[name] for name in named if name in run.settings},
        **({"job_parameters": parameters} if parameters else {}),
        **({"overriding_parameters": run.parameters} if run.parameters else {}),
        "tasks": [_show_task(run, task, settings) for task in run.tasks],
    }


def page_url(run: Run, run_id: int, settings: Settings) -> str:
    """Return the address of a run's page in the workspace."""
    host, workspace = settings.databricks_host, settings.databricks_workspace_id
    return f"https://{host}/?o={workspace}#job/{run.job_id}/run/{run_id}"


def _show_task(run: Run, task: TaskRun, settings: Settings) -> Document:
    return {
        **task.settings,
        "run_id": task.id,
        "attempt_number": task.attempt,
        "run_if": task.settings.get("run_if", "ALL_SUCCESS"),
        "run_page_url": page_url(run, task.id, settings),
        "start_time": task.started,
        **_durations(task.started, task.ended),
        **task.state.show(),
        **({"cluster_instance": {"cluster_id": task.cluster_id}} if task.cluster_id else {}),
    }


def _task_as_run(run: Run, task: TaskRun, settings: Settings) -> Document:
    """Return one task's run as the API shows it."""
    return {
        "job_id": run.job_id,
        "job_run_id": run.id,
        "number_in_job": run.id,
        "original_attempt_run_id": task.id,
        "run_name": task.key,
        "run_type": run.kind,
        "creator_user_name": settings.client_id,
        **_show_task(run, task, settings),
    }


def _durations(start: int, end: int) -> Document:
    execution = max(0, end - start) if end else 0
    return {"end_time": end, "setup_duration": 0, "execution_duration": execution, "cleanup_duration": 0}


def _repairs(run: Run) -> list[Document]:
    first = [task.id for task in run.tasks if task.attempt == 0]
    original = {"type": "ORIGINAL", "start_time": run.created, "task_run_ids": first}
    return [{**each, **run.state.show()} for each in (original, *run.repairs)]


def _run(databricks: Databricks, run_id: int) -> Run:
    run = databricks.runs.get(run_id)
    if run is None:
        raise missing(run_id)
    return run


def missing(run_id: int) -> DatabricksError:
    """A run that does not exist: 400, as the service answers."""
    return invalid(f"Run {run_id} does not exist.")


routes: list[BaseRoute] = [
    Route("/runs/submit", submit, methods=["POST"]),
    Route("/runs/get", get),
    Route("/runs/get-output", get_output),
    Route("/runs/list", list_all),
    Route("/runs/cancel", cancel, methods=["POST"]),
    Route("/runs/cancel-all", cancel_all, methods=["POST"]),
    Route("/runs/repair", repair, methods=["POST"]),
    Route("/runs/delete", delete, methods=["POST"]),
]
