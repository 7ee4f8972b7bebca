"""Jobs as the service shows them: what the client sent, with the service's defaults and the run's state.

Keys, nulls and defaults are those of recorded answers (2022 and 2023; the younger ones have more keys).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping

from azureml_emulator.arm.resources import object_in
from azureml_emulator.jobs.runs import Run
from azureml_emulator.settings import Settings
from azureml_emulator.store import Document

COMMAND, PIPELINE = "Command", "Pipeline"
COMMON_DEFAULTS: Mapping[str, object] = {
    "computeId": None,
    "identity": None,
    "componentId": None,
    "notificationSetting": None,
    "secretsConfiguration": None,
}
COMMAND_DEFAULTS: Mapping[str, object] = {
    "codeId": None,
    "distribution": None,
    "autologgerSettings": None,
    "limits": None,
    "environmentVariables": {},
    "parameters": {},
    "queueSettings": None,
}
PIPELINE_DEFAULTS: Mapping[str, object] = {"settings": {}, "jobs": {}, "sourceJobId": None}
RESOURCES: Mapping[str, object] = {
    "instanceCount": 1,
    "maxInstanceCount": None,
    "instanceType": None,
    "locations": None,
    "properties": None,
    "shmSize": "2g",
    "dockerArgs": None,
}
INPUT_MODE, OUTPUT_MODE = "ReadOnlyMount", "ReadWriteMount"
OUTPUT: Mapping[str, object] = {
    "description": None,
    "uri": None,
    "assetName": None,
    "assetVersion": None,
    "mode": OUTPUT_MODE,
    "autoDeleteSetting": None,
    "jobOutputType": "uri_folder",
}
SERVICE: Mapping[str, object] = {"port": None, "status": None, "errorMessage": None, "properties": None, "nodes": None}
CLUSTER = "amlctrain"
"""What the service calls a compute cluster in a run's properties."""


def complete_job(properties: Document, kind: str) -> Document:
    """Add the service's defaults to a submitted job's properties."""
    given = {name: value for name, value in properties.items() if value is not None}
    completed = {**COMMON_DEFAULTS, **(COMMAND_DEFAULTS if kind == COMMAND else PIPELINE_DEFAULTS), **given}
    if kind == COMMAND:
        resources = object_in(given, "resources")
        completed["resources"] = {**RESOURCES, **{name: value for name, value in resources.items() if value}}
    for name, complete in (("inputs", _complete_input), ("outputs", _complete_output)):
        values = object_in(given, name)
        completed[name] = {one: complete(object_in(values, one)) for one in values}
    return {**completed, "jobType": kind}


def _complete_input(given: Document) -> Document:
    if given.get("jobInputType") in (None, "literal"):
        return {"description": None, "jobInputType": "literal", **given}
    return {"description": None, **given, "mode": given.get("mode") or INPUT_MODE}


def _complete_output(given: Document) -> Document:
    return {**OUTPUT, **{name: value for name, value in given.items() if value is not None}}


def run_properties(properties: Document, kind: str) -> dict[str, str]:
    """Return the properties that the service gives to the run of a job, besides the client's own."""
    given = object_in(properties, "properties")
    if kind == COMMAND:
        code = properties.get("codeId")
        snapshot = {"ContentSnapshotId": str(uuid.uuid5(uuid.NAMESPACE_URL, str(code)))} if code else {}
        return {**given, "_azureml.ComputeTargetType": CLUSTER, **snapshot}
    settings, inputs = object_in(properties, "settings"), object_in(properties, "inputs")
    literals = {name: object_in(inputs, name).get("value") for name in inputs}
    parameters = {name: str(value) for name, value in literals.items() if value is not None}
    rerun = {"azureml.enforceRerun": str(settings["force_rerun"])} if "force_rerun" in settings else {}
    return {
        **given,
        "azureml.DevPlatv2": "true",
        "azureml.runsource": "azureml.PipelineRun",
        "runSource": "MFE",
        "runType": "HTTP",
        "azureml.parameters": json.dumps(parameters),
        "azureml.continue_on_step_failure": str(settings.get("continue_on_step_failure") is not False),
        "azureml.continue_on_failed_optional_input": str(
            settings.get("continue_on_failed_optional_input") is not False
        ),
        **rerun,
        "azureml.pipelineComponent": "pipelinerun",
    }


def show_job(job: Document, run: Run, settings: Settings, *, is_new: bool = False) -> Document:
    """Return a job as the service shows it.

    Args:
        job: The completed job.
        run: Its run.
        settings: The workspace's names.
        is_new: Whether this answers its submission.
    """
    workspace = settings.workspace_id
    properties = {
        **job["properties"],
        "displayName": run.display_name,
        "description": run.description,
        "experimentName": run.experiment,
        "status": run.status,
        "isArchived": run.hidden,
        "tags": run.tags,
        "properties": {
            **run.properties,
            **({"StartTimeUtc": run.started} if run.started else {}),
            **({"EndTimeUtc": run.ended} if run.ended else {}),
        },
        "services": {
            "Tracking": _service("Tracking", f"azureml://{settings.api_host}/mlflow/v1.0{workspace}?"),
            "Studio": _service("Studio", f"https://ml.azure.com/runs/{run.id}?wsid={workspace}"),
        },
        "outputs": {**job["properties"]["outputs"], **_artifacts(run, is_new=is_new)},
    }
    created = {name: value for name, value in job["systemData"].items() if name.startswith("created")}
    return {**job, "properties": properties, "systemData": created}


def _service(kind: str, endpoint: str) -> Document:
    return {"jobServiceType": kind, **SERVICE, "endpoint": endpoint}


def _artifacts(run: Run, *, is_new: bool) -> Document:
    """Return the output `default` of a command: its logs and artifacts.

    The service shows it at all times. Here a GET shows it only once it is complete: if it is there, azure-ai-ml 1.35
    reads a growing log with a key that it does not have, instead of the URLs from the run history.
    """
    if run.kind != COMMAND or not (is_new or run.has_ended):
        return {}
    # The service leaves `paths` out, and clients expect that.
    uri = run.artifact().replace("/paths/", "/").rstrip("/")
    return {"default": {**OUTPUT, "uri": uri}}
