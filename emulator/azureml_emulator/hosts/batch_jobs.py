"""Jobs of batch endpoints, as the data plane shows them.

Keys and nulls are those of recorded answers: to requests in 2022 (models) and 2023 (components), lists in 2022.
"""

from __future__ import annotations

from azureml_emulator.arm.resources import PROVIDER, new_resource, object_in
from azureml_emulator.jobs.runs import Run
from azureml_emulator.settings import Settings
from azureml_emulator.storage.blobs import ARTIFACT_STORE
from azureml_emulator.store import Document

INPUT: Document = {"description": None, "mode": "ReadOnlyMount"}
COMPUTE: Document = {
    "target": None,
    "instanceCount": None,
    "isLocal": False,
    "location": None,
    "instanceType": None,
    "properties": None,
}
OUTPUT_DATASET: Document = {
    "description": None,
    "tags": None,
    "properties": None,
    "isAnonymous": False,
    "datasetType": "Simple",
}
SCORING = ("miniBatchSize", "errorThreshold", "outputFileName", "retrySettings", "loggingLevel")
"""What a job of a model shows of its settings."""
LISTED = ("outputDataset", "outputFileName")
"""What lists show of a request and its settings."""


def new_batch_job(deployment: Document, name: str, asked: Document, scoring: Document) -> Document:
    """Return a job as it is stored below its deployment.

    Args:
        deployment: The deployment.
        name: The job's name.
        asked: The properties of the request.
        scoring: The settings of a model's job, with those of the request; empty for a component's.
    """
    inputs, asked_compute = object_in(asked, "inputData"), object_in(asked, "compute")
    target = None if asked_compute else scoring.get("compute")
    dataset = object_in(asked, "outputDataset")
    properties = {
        "inputData": {each: {**INPUT, **object_in(inputs, each)} for each in inputs},
        **({"outputDataset": {**OUTPUT_DATASET, **dataset}} if dataset else {}),
        **{setting: scoring[setting] for setting in SCORING if setting in scoring},
        "compute": {**COMPUTE, "target": target, **asked_compute},
    }
    return new_resource(f"{deployment['id']}/jobs/{name}", properties)


def show_new(job: Document, run: Run, settings: Settings) -> Document:
    """Return a job as the answer to its request."""
    nowhere = {"output": {"datastoreId": None, "path": None}}
    return _shown(job, run, settings, {**job["properties"], **nowhere}, ("At", "By"), modified=True)


def show_listed(job: Document, run: Run, settings: Settings) -> Document:
    """Return a job as lists have it."""
    place = {
        "datastoreId": f"{settings.workspace_id}/datastores/{ARTIFACT_STORE}",
        "path": f"ExperimentRun/dcid.{run.id}",
    }
    kept = {name: value for name, value in job["properties"].items() if name in LISTED}
    return _shown(job, run, settings, {**kept, "output": place}, ("At", "By", "ByType"), modified=False)


def _shown(
    job: Document, run: Run, settings: Settings, properties: Document, dates: tuple[str, ...], *, modified: bool
) -> Document:
    kinds = ("created", "lastModified") if modified else ("created",)
    workspace = settings.workspace_id
    shown = {
        "provisioningState": "Succeeded",
        **properties,
        "status": run.status,
        "interactionEndpoints": {
            "Tracking": _endpoint("Tracking", f"azureml://{settings.api_host}/mlflow/v1.0{workspace}"),
            "Studio": _endpoint("Studio", f"https://ml.azure.com/runs/{run.id}?wsid={workspace}"),
        },
        "tags": run.tags,
        "properties": run.properties,
        "name": run.display_name,
    }
    if "miniBatchSize" not in properties and modified:
        # Recorded 2023: the answer to a request for a component names neither endpoint nor deployment.
        nowhere = f"{workspace}/batchEndpoints//jobs/{job['name']}"
        job = {**job, "id": nowhere, "type": f"{PROVIDER}/workspaces/batchEndpoints/jobs"}
    known = job["systemData"]
    return {**job, "properties": shown, "systemData": {f"{k}{d}": known[f"{k}{d}"] for k in kinds for d in dates}}


def _endpoint(kind: str, address: str) -> Document:
    return {"jobEndpointType": kind, "port": None, "endpoint": address, "properties": None}
