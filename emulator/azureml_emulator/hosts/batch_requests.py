"""Batch scoring: a request to a batch endpoint becomes a job."""

from __future__ import annotations

import shlex
import uuid
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from azureml_emulator.arm.durations import duration_seconds
from azureml_emulator.arm.errors import ArmError, bad_request, conflict, not_found
from azureml_emulator.arm.resources import object_in, text_in
from azureml_emulator.context import Context, context_of
from azureml_emulator.control_plane.batch_deployments import check_scoring
from azureml_emulator.control_plane.http import read_resource
from azureml_emulator.control_plane.jobs import NAME_PATTERN, NAME_RULE, submit_job
from azureml_emulator.control_plane.lookup import check_name
from azureml_emulator.hosts import scoring_requests
from azureml_emulator.hosts.batch_jobs import new_batch_job, show_listed, show_new
from azureml_emulator.jobs.assets import find_asset
from azureml_emulator.jobs.graph import Graph, Node
from azureml_emulator.jobs.pipeline import PipelineSpec, read_pipeline_job
from azureml_emulator.jobs.specs import DATA_TYPES, Data, read_inputs, read_output, read_variables
from azureml_emulator.settings import Settings
from azureml_emulator.storage.blobs import BLOB_STORE
from azureml_emulator.store import Document
from azureml_emulator.tokens import SCORING_AUDIENCES

DRIVER = Path(__file__).parents[1] / "scoring" / "batch_entry" / "drive.py"
NODE, OUTPUT = "batchscoring", "score"
"""The node and output where clients look for the predictions."""
TYPES = {theirs.lower(): ours for ours, theirs in DATA_TYPES.items()}
"""Batch requests use the run history's names of types."""
DATA_PLANE, API_VERSION = "/mferp/managementfrontend", "2020-09-01-dataplanepreview"
OF_COMPONENTS = {"azureml.jobtype": "azureml.pipelinejob"}
"""A tag by which clients tell a component's job: they look for its outputs elsewhere than for a model's."""
OVERRIDES = ("miniBatchSize", "errorThreshold", "outputFileName", "retrySettings")


async def invoke(request: Request) -> Response:
    """POST a job to a batch endpoint; for online endpoints it is a scoring path."""
    context = context_of(request)
    name = request.path_params["endpoint"]
    endpoint = context.store.get(f"{context.settings.workspace_id}/batchEndpoints/{name}")
    if endpoint is None:
        request.path_params["path"] = "jobs"
        return await scoring_requests.score(request)
    context.tokens.check(request.headers.get("authorization", ""), SCORING_AUDIENCES)
    deployment = _deployment(context, endpoint, request.headers.get(scoring_requests.DEPLOYMENT_HEADER))
    _, asked = await read_resource(request)
    job_name = str(asked.get("name") or f"batchjob-{uuid.uuid4()}")
    check_name("a job", job_name, NAME_PATTERN, NAME_RULE)
    if context.runs.get(job_name):
        raise conflict(f"A job {job_name!r} already exists.")
    scoring = _scoring_settings(deployment, asked)
    properties, spec = _read_job(context, deployment, asked, scoring)
    experiment = object_in(asked, "properties").get("experimentName") or endpoint["name"]
    job_type = {} if scoring else OF_COMPONENTS
    properties |= {
        "experimentName": experiment,
        "tags": {"azureml.batchrun": "true", "azureml.deploymentname": deployment["name"], **job_type},
        "properties": _run_properties(deployment, spec),
    }
    submit_job(context, f"{context.settings.workspace_id}/jobs/{job_name}", properties, spec)
    job = new_batch_job(deployment, job_name, asked, scoring)
    context.store.put(job)
    run = context.runs.get(job_name)
    assert run is not None  # noqa: S101 - made with the job
    headers = {
        scoring_requests.DEPLOYMENT_HEADER: deployment["name"],
        "Location": f"https://{context.settings.api_host}{DATA_PLANE}{deployment['id']}?api-version={API_VERSION}",
    }
    return JSONResponse(show_new(job, run, context.settings), 201, headers=headers)


def _run_properties(deployment: Document, spec: PipelineSpec) -> dict[str, str]:
    """Return what a job's run says of its deployment (recorded 2022 and 2023)."""
    *_, endpoint, _, name = deployment["id"].split("/")
    pipeline = str(uuid.uuid5(uuid.NAMESPACE_URL, deployment["id"].lower()))
    return {
        "azureml.endpointname": endpoint,
        "azureml.deploymentname": name,
        "azureml.pipelineid": pipeline,
        "azureml.sourcepipelinerunid": pipeline,
        "azureml.runLineageType": "Clone",
        "azureml.enforceRerun": "False",
        "azureml.defaultComputeName": (spec.compute or "").rpartition("/")[2],
        "azureml.defaultDataStoreName": BLOB_STORE,
    }


def _deployment(context: Context, endpoint: Document, asked: str | None) -> Document:
    name = asked or endpoint["properties"]["defaults"]["deploymentName"]
    if not name:
        raise bad_request(
            f"The endpoint {endpoint['name']} has no default deployment; name a deployment or set the default."
        )
    deployment = context.store.get(f"{endpoint['id']}/deployments/{name}")
    if deployment is None:
        raise ArmError(404, "ResourceNotFound", f"The endpoint {endpoint['name']} has no deployment {name!r}.")
    return deployment


def _scoring_settings(deployment: Document, asked: Document) -> Document:
    """Return a model's settings, with those of the request; nothing for a component."""
    settings: Document = deployment["properties"]
    if object_in(settings, "deploymentConfiguration"):
        return {}
    changed = {name: asked[name] for name in OVERRIDES if asked.get(name) is not None}
    retries = {**settings["retrySettings"], **object_in(changed, "retrySettings")}
    return {**settings, **changed, "retrySettings": retries}


def _read_job(
    context: Context, deployment: Document, asked: Document, settings: Document
) -> tuple[Document, PipelineSpec]:
    """Return the properties and the pipeline of the job a request asks for."""
    inputs = {name: _camel(object_in(object_in(asked, "inputData"), name)) for name in object_in(asked, "inputData")}
    if configuration := object_in(deployment["properties"], "deploymentConfiguration"):
        given = object_in(asked, "outputData")
        properties: Document = {
            "jobType": "Pipeline",
            "componentId": object_in(configuration, "componentId")["assetId"],
            "inputs": inputs,
            "outputs": {name: _camel(object_in(given, name)) for name in given},
            "settings": object_in(configuration, "settings"),
        }
        return properties, read_pipeline_job(context.store, properties)
    data = [value for value in read_inputs(inputs).values() if isinstance(value, Data)]
    if len(data) != 1 or data[0].type not in ("uri_file", "uri_folder"):
        raise bad_request("The request must have one input, of type UriFolder or UriFile.")
    place, settings["outputFileName"] = _output(object_in(asked, "outputData"), settings["outputFileName"])
    if dataset := object_in(asked, "outputDataset"):
        place = _dataset_uri(context, dataset)
    check_scoring(settings)
    graph = Graph({NODE: _node(context, settings, data[0], place)}, {})
    outputs = {OUTPUT: Data("uri_folder", place)}
    properties = {"jobType": "Pipeline", "jobs": {}, "inputs": inputs}
    return properties, PipelineSpec(graph, {}, outputs, settings.get("compute"), continue_on_step_failure=True)


def _node(context: Context, settings: Document, data: Data, place: str | None) -> Node:
    """Build the scoring node: the driver with the deployment's script and model."""
    model = find_asset(context.store, settings["model"]["assetId"], "models")
    code = settings["codeConfiguration"]
    options = {
        "--script": shlex.quote(code["scoringScript"]),
        "--mini-batch-size": settings["miniBatchSize"],
        "--error-threshold": settings["errorThreshold"],
        "--retries": settings["retrySettings"]["maxRetries"],
        "--timeout": duration_seconds(settings["retrySettings"]["timeout"]),
        "--file": settings["outputFileName"],
    }
    command = [
        *("python", shlex.quote(str(DRIVER))),
        *("--input", "${{inputs.data}}", "--model", "${{inputs.model}}", "--output", f"${{{{outputs.{OUTPUT}}}}}"),
        *(word for option, value in options.items() for word in (option, str(value))),
        *(("--append",) if settings["outputAction"] == "AppendRow" else ()),
    ]
    model_type = model["properties"]["modelType"]
    component = {
        "type": "command",
        "command": " ".join(command),
        "code": code["codeId"],
        "environment": settings["environmentId"],
        "inputs": {"data": {"type": data.type}, "model": {"type": model_type}},
        "outputs": {OUTPUT: {"type": "uri_folder"}},
    }
    return Node(
        name=NODE,
        display_name=NODE,
        component=component,
        inputs={"data": data, "model": Data(model_type, model["id"])},
        outputs={OUTPUT: Data("uri_folder", place)},
        promoted={OUTPUT: OUTPUT},
        compute=None,
        settings={"environment_variables": read_variables(object_in(settings, "environmentVariables"))},
        gates={},
        waits_for=frozenset(),
    )


def _output(given: Document, file: str) -> tuple[str | None, str]:
    """Return the folder and file name for the predictions."""
    if not given:
        return None, file
    name = next(iter(given))
    output = read_output(name, _camel(object_in(given, name)))
    if len(given) > 1 or not output.uri:
        raise bad_request("The request may have one output, with a 'uri'.")
    if output.type == "uri_folder":
        return output.uri, file
    folder, _, file = output.uri.rpartition("/")
    return f"{folder}/", file


def _dataset_uri(context: Context, dataset: Document) -> str:
    """Return the folder of an output as older clients name it: a datastore and a path."""
    datastore_id = text_in(dataset, "datastoreId") or ""
    datastore = context.store.get(datastore_id)
    if datastore is None:
        raise not_found(datastore_id)
    return f"azureml://datastores/{datastore['name']}/paths/{(text_in(dataset, 'path') or '').strip('/')}/"


def _camel(given: Document) -> Document:
    """Rewrite input and output types as jobs write them."""
    kinds = {name: str(given[name]).lower() for name in ("jobInputType", "jobOutputType") if given.get(name)}
    return {**given, **{name: TYPES.get(kind, kind) for name, kind in kinds.items()}}


async def list_jobs(request: Request) -> Response:
    """List the jobs of an endpoint or deployment, newest first."""
    context = context_of(request)
    endpoint_id = f"{context.settings.workspace_id}/batchEndpoints/{request.path_params['endpoint']}"
    if name := request.path_params.get("deployment"):
        deployments = [f"{endpoint_id}/deployments/{name}"]
    else:
        deployments = [found["id"] for found in context.store.list_collection(f"{endpoint_id}/deployments")]
    found = [job for deployment in deployments for job in context.store.list_collection(f"{deployment}/jobs")]
    found.sort(key=lambda job: str(job["systemData"]["createdAt"]), reverse=True)
    runs = [(job, context.runs.get(job["name"])) for job in found]
    return JSONResponse({"value": [show_listed(job, run, context.settings) for job, run in runs if run]})


def data_plane_routes(settings: Settings) -> list[BaseRoute]:
    """Return the routes of the data plane, for requests with a token."""
    jobs: list[BaseRoute] = [
        Route("/batchEndpoints/{endpoint}/jobs", list_jobs),
        Route("/batchEndpoints/{endpoint}/deployments/{deployment}/jobs", list_jobs),
    ]
    return [Mount(f"{DATA_PLANE}{settings.workspace_id}", routes=jobs)]


routes: list[BaseRoute] = [Route("/jobs", invoke, methods=["POST"])]
