"""The workspace's models and versions in MLflow's form."""

from __future__ import annotations

import re

from azureml_emulator.arm.resources import new_resource
from azureml_emulator.context import Context
from azureml_emulator.storage.blobs import DATASTORE_PATH
from azureml_emulator.store import Document
from azureml_emulator.tracking import fields
from azureml_emulator.tracking.artifacts import DATASTORES, RUNS, Place, place_of_run
from azureml_emulator.tracking.entities import as_milliseconds, run_uri, show_labels
from azureml_emulator.tracking.errors import does_not_exist, invalid

RUN_SOURCE = re.compile(r"azureml://.*/runs/([^/]+)/artifacts(?:/(.*))?")
UPLOAD_SOURCE = re.compile(r"azureml://artifacts/([^/]+)/([^/]+)/(.+)")
RUN_CONTAINER = "dcid."
STAGES = ("None", "Staging", "Production", "Archived")


def find_model(context: Context, asked: Document) -> Document:
    """Return the container of the model that a request names.

    Raises:
        MlflowError: 404, if it does not exist.
    """
    name = fields.text(asked, "name")
    model = context.store.get(model_id(context, name))
    if model is None:
        raise does_not_exist(f"The model {name!r}")
    return model


def find_version(context: Context, asked: Document) -> Document:
    """Return the model version that a request names.

    Raises:
        MlflowError: 404, if it does not exist.
    """
    name, number = fields.text(asked, "name"), fields.text(asked, "version")
    version = context.store.get(f"{model_id(context, name)}/versions/{number}")
    if version is None:
        raise does_not_exist(f"Version {number!r} of the model {name!r}")
    return version


def model_id(context: Context, name: str) -> str:
    """Return the ARM id of a model."""
    return f"{context.settings.workspace_id}/models/{name}"


def change(context: Context, resource: Document, **properties: object) -> None:
    """Change properties of a model or version."""
    changed = {**resource["properties"], **properties}
    context.store.put(new_resource(resource["id"], changed, previous=resource))


def locate(context: Context, source: str) -> tuple[Place, str]:
    """Return the location and path of a source to register.

    Args:
        context: The request context.
        source: The address of a run's artifact or of an upload.

    Raises:
        MlflowError: 400, if it is another address; 404, if there is no such run.
    """
    if of_run := RUN_SOURCE.fullmatch(source):
        if context.runs.get(of_run[1]) is None:
            raise does_not_exist(f"The run {of_run[1]!r}")
        return place_of_run(of_run[1]), (of_run[2] or "").strip("/")
    found = UPLOAD_SOURCE.fullmatch(source)
    if found is None or found[1] not in DATASTORES:
        raise invalid(
            f"A model's source must be an artifact of a run or an upload to azureml://artifacts/, not {source!r}."
        )
    return Place(found[1], found[2]), found[3].strip("/")


def datastore_uri(context: Context, place: Place, path: str) -> str:
    """Return an artifact's azureml:// address as ARM writes it."""
    settings = context.settings
    workspace = (
        f"subscriptions/{settings.subscription_id}/resourceGroups/{settings.resource_group}"
        f"/workspaces/{settings.workspace}"
    )
    blob = f"{place.origin}/{place.container}/{path}".rstrip("/")
    return f"azureml://{workspace}/datastores/{DATASTORES[place.origin]}/paths/{blob}"


def artifact_uri(version: Document) -> str | None:
    """Return the address of a version's files for the MLflow plugin; None elsewhere."""
    found = DATASTORE_PATH.fullmatch(version["properties"]["modelUri"])
    if found is None or DATASTORES.get(found[2].split("/")[0]) != found[1]:
        return None
    return f"azureml://artifacts/{found[2].strip('/')}"


def show_version(context: Context, version: Document) -> Document:
    """Return a version in MLflow's form."""
    properties = version["properties"]
    return {
        "name": name_of(version),
        "version": version["name"],
        "creation_timestamp": as_milliseconds(version["systemData"]["createdAt"]),
        "last_updated_timestamp": as_milliseconds(version["systemData"]["lastModifiedAt"]),
        "current_stage": stage_of(version),
        "description": properties["description"],
        "source": _source(context, version),
        "run_id": properties.get("jobName") or "",
        "status": "READY",
        "tags": show_labels(properties["tags"]),
    }


def show_model(context: Context, model: Document) -> Document:
    """Return a model with the newest version of each stage, in MLflow's form."""
    return {
        "name": model["name"],
        "creation_timestamp": as_milliseconds(model["systemData"]["createdAt"]),
        "last_updated_timestamp": as_milliseconds(model["systemData"]["lastModifiedAt"]),
        "description": model["properties"]["description"],
        "tags": show_labels(model["properties"]["tags"]),
        "latest_versions": [show_version(context, version) for version in latest_versions(context, model)],
    }


def latest_versions(context: Context, model: Document) -> list[Document]:
    """List the newest version of each stage."""
    versions = context.store.list_collection(f"{model['id']}/versions")
    return list({stage_of(version): version for version in versions}.values())


def stage_of(version: Document) -> str:
    """Return the stage of a version; the Azure ML service has some that MLflow does not know."""
    stage = version["properties"].get("stage")
    return stage if stage in STAGES else "None"


def name_of(version: Document) -> str:
    """Return the model's name of a version."""
    return str(version["id"].split("/")[-3])


def _source(context: Context, version: Document) -> str:
    """Return where a version came from; for a run's artifact, in the run's own form."""
    uri = artifact_uri(version) or str(version["properties"]["modelUri"])
    found = UPLOAD_SOURCE.fullmatch(uri)
    run = context.runs.get(found[2].removeprefix(RUN_CONTAINER)) if found and found[1] == RUNS else None
    return f"{run_uri(context.settings, run)}/{found[3]}" if found and run else uri
