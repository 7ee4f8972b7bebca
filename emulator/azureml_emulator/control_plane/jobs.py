"""Jobs: submitted commands and pipelines, with their status."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.arm.errors import bad_request, conflict, not_emulated, not_found
from azureml_emulator.arm.resources import new_resource, object_in
from azureml_emulator.context import Context, context_of
from azureml_emulator.control_plane.http import read_resource
from azureml_emulator.control_plane.job_documents import COMMAND, PIPELINE, complete_job, run_properties, show_job
from azureml_emulator.control_plane.listing import archived_states, page
from azureml_emulator.control_plane.long_running import Kind, accepted, api_version
from azureml_emulator.control_plane.lookup import arm_path, check_name, get_resource, parent
from azureml_emulator.host_names import MANAGEMENT_HOST
from azureml_emulator.jobs.assets import find_asset
from azureml_emulator.jobs.computes import check_compute
from azureml_emulator.jobs.delivery import locate_input, output_uri
from azureml_emulator.jobs.environments import find_environment
from azureml_emulator.jobs.expressions import expressions_in
from azureml_emulator.jobs.graph import Graph
from azureml_emulator.jobs.pipeline import PipelineSpec, read_pipeline_job
from azureml_emulator.jobs.runs import Run, Status
from azureml_emulator.jobs.specs import CommandSpec, Data, Value, read_command_job
from azureml_emulator.scoring.curated_environments import shown_reference
from azureml_emulator.store import Document

NAME_PATTERN = r"[a-zA-Z0-9_][a-zA-Z0-9_-]{0,254}"
NAME_RULE = "letters, digits, '_' and '-', no '-' first, at most 255"
EXPERIMENT_PATTERN, EXPERIMENT_RULE = r"[^\x00-\x1f/\\]{1,255}", "1 to 255 characters without slashes"
CANCEL = "cancel-job"
CHANGEABLE = {"displayName": "display_name", "description": "description"}


def define_operations(context: Context) -> None:
    """Define the long-running operations on jobs."""

    async def cancel_job(job_id: str) -> None:
        await context.jobs.cancel(job_id.rsplit("/", 1)[-1])

    context.operations.define(CANCEL, cancel_job)


async def put(request: Request) -> Response:
    """Submit a job, or change the names and tags of an existing one."""
    context = context_of(request)
    job_id = arm_path(request)
    name = request.path_params["job"]
    check_name("a job", name, NAME_PATTERN, NAME_RULE)
    _, properties = await read_resource(request)
    if previous := context.store.get(job_id):
        return JSONResponse(show_job(previous, _update(context, name, properties), context.settings))
    if context.runs.get(name):
        raise conflict(f"A pipeline already has a run {name!r}: choose another name.")
    job = submit_job(context, job_id, properties, _read_spec(context, properties))
    version = api_version(request)
    return JSONResponse(job, 201, headers={"Location": f"https://{MANAGEMENT_HOST}{job_id}?api-version={version}"})


def _read_spec(context: Context, properties: Document) -> CommandSpec | PipelineSpec:
    kind = str(properties.get("jobType"))
    match kind.lower():
        case "command":
            return read_command_job(properties)
        case "pipeline":
            return read_pipeline_job(context.store, properties)
        case _:
            raise not_emulated(f"a job of type {kind!r}: only Command and Pipeline")


def submit_job(context: Context, job_id: str, properties: Document, spec: CommandSpec | PipelineSpec) -> Document:
    """Validate a job and run it in the background.

    Args:
        context: The emulator.
        job_id: The job's ARM id.
        properties: The job in the client's format.
        spec: The job to run.

    Raises:
        ArmError: 400 or 501, if it cannot be run.
    """
    experiment = properties.get("experimentName") or "Default"
    if not isinstance(experiment, str):
        raise bad_request("'experimentName' must be a string.")
    check_name("an experiment", experiment, EXPERIMENT_PATTERN, EXPERIMENT_RULE)
    name = job_id.rsplit("/", 1)[-1]
    kind = COMMAND if isinstance(spec, CommandSpec) else PIPELINE
    if isinstance(spec, CommandSpec):
        environment = find_environment(context.store, spec.environment)
        properties = {**properties, "environmentId": shown_reference(spec.environment, environment)}
    run = Run(
        id=name,
        kind=kind,
        experiment=experiment,
        root=name,
        display_name=properties.get("displayName") or name,
        description=properties.get("description"),
        # In the first answer, as recorded.
        status=Status.STARTING if kind == COMMAND else Status.PREPARING,
        tags=object_in(properties, "tags"),
        properties=run_properties(properties, kind),
    )
    run = _checked(context, run, spec, properties)
    job = new_resource(job_id, complete_job(properties, kind))
    context.store.put(job)
    context.jobs.submit(context.runs.put(run), spec)
    return show_job(job, run, context.settings, is_new=True)


def _checked(context: Context, run: Run, spec: CommandSpec | PipelineSpec, properties: Document) -> Run:
    """Refuse a job that is certain to fail."""
    settings = context.settings
    compute = spec.compute if isinstance(spec, PipelineSpec) else properties.get("computeId")
    name = check_compute(context.store, settings.workspace_id, compute)
    if isinstance(spec, CommandSpec):
        if spec.code:
            find_asset(context.store, spec.code, "codes")
    else:
        _check_nodes(context, spec.graph)
    _check_data(context, spec.inputs)
    for output_name, output in spec.outputs.items():
        context.blobs.locate(output_uri(run, output_name, output))
    return Run(**{**vars(run), "compute": name})


def _check_nodes(context: Context, graph: Graph) -> None:
    for node in graph.nodes.values():
        if node.compute and not expressions_in(node.compute):
            check_compute(context.store, context.settings.workspace_id, node.compute)
        _check_data(context, node.inputs)
        if node.graph:
            _check_nodes(context, node.graph)


def _check_data(context: Context, inputs: Mapping[str, Value]) -> None:
    for value in inputs.values():
        if isinstance(value, Data):
            locate_input(context.jobs.context, value.uri or "")


def _update(context: Context, name: str, properties: Document) -> Run:
    changes = {ours: properties[theirs] for theirs, ours in CHANGEABLE.items() if theirs in properties}
    if "isArchived" in properties:
        changes["hidden"] = bool(properties["isArchived"])
    if properties.get("tags") is not None:
        changes["tags"] = object_in(properties, "tags")
    before = context.runs.get(name)
    # Recorded 2022: those of the service stay.
    changes["properties"] = {**(before.properties if before else {}), **object_in(properties, "properties")}
    run = context.runs.change(name, **changes)
    assert run is not None  # noqa: S101 - made with the job
    return run


async def get(request: Request) -> Response:
    """GET a job; a pipeline's node has no content, clients ask the run history."""
    context = context_of(request)
    run = _find_run(request)
    job = context.store.get(arm_path(request))
    if job is None:
        child = new_resource(arm_path(request), {})
        return JSONResponse(
            {**child, "properties": None, "systemData": {**child["systemData"], "createdAt": run.created}}
        )
    return JSONResponse(show_job(job, run, context.settings))


async def list_jobs(request: Request) -> Response:
    """List jobs, newest first, by `listViewType`, `jobType` and `tag`."""
    context = context_of(request)
    shown_states = archived_states(request)
    kind, tag = request.query_params.get("jobType"), request.query_params.get("tag")
    shown = []
    for job in reversed(context.store.list_collection(arm_path(request))):
        run = context.runs.get(job["name"])
        if run is None or run.hidden not in shown_states:
            continue
        if (kind and kind.lower() != run.kind.lower()) or (tag and tag not in run.tags):
            continue
        shown.append(show_job(job, run, context.settings))
    return page(request, shown)


async def cancel(request: Request) -> Response:
    """Cancel a job and end its processes; one that has ended stays as it is."""
    context = context_of(request)
    job = get_resource(request, parent(arm_path(request)))
    run = context.runs.get(job["name"])
    if run and run.has_ended:
        return Response(status_code=200)  # recorded
    context.runs.change(job["name"], status=Status.CANCEL_REQUESTED)
    return accepted(request, context.operations.start(CANCEL, job["id"]), Kind.JOB)


async def delete(request: Request) -> Response:
    """DELETE a job that has ended."""
    context = context_of(request)
    run = context.runs.get(request.path_params["job"])
    if run is None:
        return Response(status_code=204)
    if context.store.get(arm_path(request)) is None:
        raise bad_request(f"{run.id} is a node of a pipeline: delete the pipeline's job {run.root}.")
    if not run.has_ended:
        raise conflict(f"The job {run.id} is {run.status}: cancel it first.")
    context.store.delete(arm_path(request))
    context.runs.delete_tree(run.id)
    return Response(status_code=200)


def _find_run(request: Request) -> Run:
    run = context_of(request).runs.get(request.path_params["job"])
    if run is None:
        raise not_found(arm_path(request))
    return run


routes = [
    Route("/jobs", list_jobs),
    Route("/jobs/{job}", get, methods=["GET"]),
    Route("/jobs/{job}", put, methods=["PUT"]),
    Route("/jobs/{job}", delete, methods=["DELETE"]),
    Route("/jobs/{job}/cancel", cancel, methods=["POST"]),
]
