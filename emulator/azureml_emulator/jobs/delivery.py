"""Copy a job's inputs to it, and its outputs to the blob store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from azureml_emulator.arm.errors import ArmError, bad_request
from azureml_emulator.jobs.assets import find_asset
from azureml_emulator.jobs.expressions import substitute
from azureml_emulator.jobs.job_context import JobContext
from azureml_emulator.jobs.runs import Run
from azureml_emulator.jobs.specs import DATA_TYPES, Data, Value
from azureml_emulator.jobs.web_data import WebData, is_web_address
from azureml_emulator.storage import asset_integrity
from azureml_emulator.storage.blobs import BLOB_STORE
from azureml_emulator.store import Document

DEFAULT_PLACE = "azureml://datastores/${{default_datastore}}/paths/azureml/${{name}}/${{output_name}}/"
FILE = "uri_file"
FOLDERS = ("uri_folder", "mltable")
DIRECT = ("Direct", "EvalMount")
"""Modes in which a command gets the URI itself."""


def locate_input(context: JobContext, uri: str) -> str:
    """Resolve an input to a URI in the blob store, or a web address outside it.

    Args:
        context: The parts of the emulator to use.
        uri: A URI, the id of a data asset or model, or an output of another job: `azureml://jobs/NAME/outputs/OUTPUT`.

    Raises:
        ArmError: 400, if it does not exist.
    """
    if asset := _asset_of(context, uri):
        uri = asset["properties"].get("dataUri") or asset["properties"]["modelUri"]
    # Not the files of a model: its code has to be the one that was registered.
    may_be_elsewhere = asset is None or "dataUri" in asset["properties"]
    if of_job := re.fullmatch(r"azureml://(?:.+/)?jobs/([^/]+)/outputs/([^/]+)(?:/paths)?(/.*)?", uri):
        run = context.runs.get(of_job[1])
        if run is None or of_job[2] not in {**run.outputs, "artifacts": None}:
            raise bad_request(f"The output {of_job[2]!r} of job {of_job[1]!r} does not exist.")
        place = run.artifact() if of_job[2] == "artifacts" else run.outputs[of_job[2]]["uri"]
        return f"{place.rstrip('/')}{of_job[3] or ''}"
    if not (may_be_elsewhere and is_web_address(uri, context.blobs.account)):
        context.blobs.locate(uri)
    return uri


def _asset_of(context: JobContext, uri: str) -> Document | None:
    is_id = "/providers/" in uri and not uri.startswith(("http://", "https://"))
    return find_asset(context.store, uri, "data", "models") if is_id else None


async def deliver_inputs(context: JobContext, inputs: Mapping[str, Value], folder: Path) -> dict[str, str]:
    """Copy data inputs to a folder each, unless the command wants their URIs.

    Returns:
        What the command gets for each input: the literal, the copy's path, or the URI.

    Raises:
        ArmError: If an input does not exist.
    """
    settings = context.settings
    web = WebData(context.blobs.account, settings.local_data, settings.web_input_gib)
    return {name: await _deliver(context, web, value, folder / name) for name, value in inputs.items()}


async def _deliver(context: JobContext, web: WebData, value: Value, folder: Path) -> str:
    if isinstance(value, str):
        return value
    uri = locate_input(context, value.uri or "")
    if value.mode in DIRECT:
        return uri
    # As on the service a folder's path has nothing of the URI, because it becomes part of the command.
    # A model keeps its name: scoring scripts look for it.
    target = folder / f"INPUT_{folder.name}"
    try:
        if is_web_address(uri, context.blobs.account):
            copied = await web.fetch(uri, folder / "copied", is_folder=value.type in FOLDERS)
        elif asset := _asset_of(context, value.uri or ""):
            # Models can contain code: many kinds are unpickled.
            copied = await asset_integrity.fetch(context.store, context.blobs, asset, uri, folder / "copied")
        else:
            copied = await context.blobs.download(uri, folder / "copied")
    except ArmError as error:
        # An empty folder of another node: the blob store has no folders.
        if error.status != 404 or not value.of_node:
            raise
        target.mkdir(parents=True, exist_ok=True)
        return str(target)
    return str(copied.rename(target) if value.type in FOLDERS else copied)


def prepare_outputs(context: JobContext, run: Run, outputs: Mapping[str, Data], folder: Path) -> dict[str, Path]:
    """Create the folders for a command's outputs; return the path of each output.

    A path is a folder, or a file that the command has to write.

    Raises:
        ArmError: 400, if an output's URI is not in the blob store.
    """
    paths = {}
    for name, output in outputs.items():
        context.blobs.locate(output_uri(run, name, output))
        path = folder / name
        (path.parent if is_file(output) else path).mkdir(parents=True, exist_ok=True)
        paths[name] = path
    return paths


async def collect_outputs(
    context: JobContext, run: Run, outputs: Mapping[str, Data], paths: Mapping[str, Path]
) -> dict[str, dict[str, str]]:
    """Copy a command's outputs into the blob store.

    Returns:
        The `uri` and `type` of each output that exists.
    """
    collected = {}
    for name, output in outputs.items():
        uri = output_uri(run, name, output)
        if paths[name].exists():
            await context.blobs.upload(paths[name], uri)
            collected[name] = {"uri": uri, "type": output.type}
    return {name: output for name, output in collected.items() if output["type"] in DATA_TYPES}


def output_uri(run: Run, name: str, output: Data) -> str:
    """Return the URI where an output of a run goes.

    Raises:
        ArmError: 400, if the requested path has an unknown expression.
    """
    known = {"name": run.id, "output_name": name, "default_datastore": BLOB_STORE}

    def find(expression: str) -> str:
        if expression not in known:
            raise bad_request(
                f"The path of the output {name!r} has an unknown ${{{{{expression}}}}}; known are {', '.join(known)}."
            )
        return known[expression]

    place = substitute(output.uri or DEFAULT_PLACE, find)
    return place.rstrip("/") if is_file(output) else place


def is_file(output: Data) -> bool:
    """Return whether an output is one file: `uri_file` or a control output."""
    return output.type == FILE or output.type not in DATA_TYPES
