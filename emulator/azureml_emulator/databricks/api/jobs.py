"""Jobs: create, change, list, delete, run."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from azureml_emulator.context import context_of
from azureml_emulator.databricks.api import requests
from azureml_emulator.databricks.api.runs import earlier_run, read_overrides, start
from azureml_emulator.databricks.api.tasks import read_tasks
from azureml_emulator.databricks.clock import milliseconds
from azureml_emulator.databricks.errors import DatabricksError, invalid
from azureml_emulator.databricks.runs import Run, TaskRun, new_id
from azureml_emulator.databricks.service import Databricks
from azureml_emulator.store import Document

TASKS_PER_PAGE = 100


async def create(request: Request) -> Response:
    """Create a job."""
    context = context_of(request)
    settings = _checked(await requests.read(request), context.databricks)
    job_id = new_id()
    job = {"job_id": job_id, "created_time": milliseconds(), "creator_user_name": context.settings.client_id}
    context.databricks.jobs.put(job_id, {**job, "settings": settings})
    return JSONResponse({"job_id": job_id})


async def get(request: Request) -> Response:
    """Get a job; of more than 100 tasks, a page."""
    asked = await requests.read(request)
    job = _job(context_of(request).databricks, requests.integer(asked, "job_id"))
    token = {"page_token": asked.get("page_token")}
    tasks, following = requests.page(token, job["settings"].get("tasks") or [], default=100, most=100)
    if not following["has_more"]:
        following = {}
    shown = {**job, "run_as_user_name": job["creator_user_name"], **following}
    return JSONResponse({**shown, "settings": {**job["settings"], "tasks": tasks}})


async def list_all(request: Request) -> Response:
    """List jobs, the newest first, on demand by name; paged."""
    asked = await requests.read(request)
    name = (requests.optional_text(asked, "name") or "").lower()
    found = [
        job
        for job in reversed(context_of(request).databricks.jobs.items().values())
        if not name or job["settings"].get("name", "").lower() == name
    ]
    jobs, following = requests.page(asked, found, default=20, most=100)
    expand = requests.flag(asked, "expand_tasks")
    return JSONResponse(
        {**({"jobs": [_show_in_list(job, expand=expand) for job in jobs]} if jobs else {}), **following}
    )


async def reset(request: Request) -> Response:
    """Replace the settings of a job."""
    databricks = context_of(request).databricks
    asked = await requests.read(request)
    job = _job(databricks, requests.integer(asked, "job_id"))
    settings = _checked(requests.optional_object(asked, "new_settings"), databricks)
    databricks.jobs.put(job["job_id"], {**job, "settings": settings})
    return JSONResponse({})


async def update(request: Request) -> Response:
    """Change some settings of a job; tasks and job clusters by their keys."""
    databricks = context_of(request).databricks
    asked = await requests.read(request)
    job = _job(databricks, requests.integer(asked, "job_id"))
    before = {name: value for name, value in job["settings"].items() if name not in _removed(asked)}
    new = requests.optional_object(asked, "new_settings")
    merged = {**before, **new}
    for name, key in (("tasks", "task_key"), ("job_clusters", "job_cluster_key")):
        if name in new and name in before:
            both = (*before[name], *requests.objects(new, name))
            merged[name] = list({requests.text(each, key): each for each in both}.values())
    databricks.jobs.put(job["job_id"], {**job, "settings": _checked(merged, databricks)})
    return JSONResponse({})


async def delete(request: Request) -> Response:
    """Delete a job; its runs stay."""
    databricks = context_of(request).databricks
    job = _job(databricks, requests.integer(await requests.read(request), "job_id"))
    databricks.jobs.delete(job["job_id"])
    return JSONResponse({})


async def run_now(request: Request) -> Response:
    """Run a job."""
    databricks = context_of(request).databricks
    asked = await requests.read(request)
    job = _job(databricks, requests.integer(asked, "job_id"))
    if earlier := earlier_run(databricks, asked):
        return JSONResponse({"run_id": earlier.id, "number_in_job": earlier.id})
    settings = job["settings"]
    queue = requests.optional_object(asked, "queue") or settings.get("queue")
    only = set(requests.texts(asked, "only"))
    tasks = [task for task in settings.get("tasks") or [] if not only or task["task_key"] in only]
    if not tasks:
        raise invalid(f"Job {job['job_id']} has no task to run.")
    run = Run(
        new_id(),
        job["job_id"],
        "JOB_RUN",
        settings.get("name", "Untitled"),
        {**settings, "queue": queue},
        tuple(TaskRun(new_id(), task["task_key"], task) for task in tasks),
        parameters=read_overrides(asked),
        job_parameters=_job_parameters(settings, asked),
    )
    start(databricks, run, asked)
    return JSONResponse({"run_id": run.id, "number_in_job": run.id})


def _checked(settings: Document, databricks: Databricks) -> Document:
    """Return a job's settings with defaults.

    Raises:
        DatabricksError: 400, if they are invalid.
    """
    read_tasks(settings, databricks.clusters)
    requests.optional_object(settings, "queue")
    for parameter in requests.objects(settings, "parameters"):
        requests.text(parameter, "name")
    requests.whole_numbers(settings, "timeout_seconds", "max_concurrent_runs")
    name = requests.optional_text(settings, "name") or "Untitled"
    return {"format": "MULTI_TASK", "max_concurrent_runs": 1, "timeout_seconds": 0, **settings, "name": name}


def _job_parameters(settings: Document, asked: Document) -> dict[str, str]:
    """Return the values of a job's parameters: the request's, else the defaults.

    Raises:
        DatabricksError: 400, if the job has no such parameter.
    """
    given = requests.values(asked, "job_parameters")
    defaults = {each["name"]: str(each.get("default", "")) for each in settings.get("parameters") or []}
    for unknown in given.keys() - defaults.keys():
        raise invalid(f"The job has no parameter {unknown}.")
    return {**defaults, **given}


def _show_in_list(job: Document, *, expand: bool) -> Document:
    settings = dict(job["settings"])
    tasks = settings.pop("tasks", None) or []
    if not expand:
        return {**job, "settings": settings}
    shown = {**settings, "tasks": tasks[:TASKS_PER_PAGE]}
    return {**job, "settings": shown, "has_more": len(tasks) > TASKS_PER_PAGE}


def _removed(asked: Document) -> list[str]:
    return requests.texts(asked, "fields_to_remove")


def _job(databricks: Databricks, job_id: int) -> Document:
    job = databricks.jobs.get(job_id)
    if job is None:
        raise missing(job_id)
    return job


def missing(job_id: int) -> DatabricksError:
    """A job that does not exist: 400, as the service answers."""
    return invalid(f"Job {job_id} does not exist.")


routes: list[BaseRoute] = [
    Route("/create", create, methods=["POST"]),
    Route("/get", get),
    Route("/list", list_all),
    Route("/reset", reset, methods=["POST"]),
    Route("/update", update, methods=["POST"]),
    Route("/delete", delete, methods=["POST"]),
    Route("/run-now", run_now, methods=["POST"]),
]
