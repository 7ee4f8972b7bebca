"""Locations of assets as the service returns them: in full, with subscription and workspace."""

from __future__ import annotations

import re

from azureml_emulator.arm.errors import bad_request
from azureml_emulator.context import Context
from azureml_emulator.jobs.runs import Run
from azureml_emulator.settings import Settings

# Recorded 2022 to 2024: models are returned with `resourceGroups`, data as azure-ai-ml writes it.
IN_DATASTORE = re.compile(
    r"azureml://(?:subscriptions/[^/]+/resourcegroups/[^/]+/(?:providers/[^/]+/)?workspaces/[^/]+/)?"
    r"datastores/([^/]+)/paths/(.*)",
    re.IGNORECASE | re.DOTALL,
)
OF_JOB = re.compile(r"azureml://jobs/([^/]+)/outputs/([^/]+)(?:/paths)?(?:/(.*))?", re.DOTALL)
OF_RUN = re.compile(r"runs:/([^/]+)(?:/(.*))?", re.DOTALL)
MODEL_GROUPS = "resourceGroups"
ARTIFACTS = "artifacts"
"""The output of a job that holds its log files and its `outputs` folder."""
JOB_FOLDER = re.compile(r"datastores/[^/]+/paths/ExperimentRun/dcid\.([^/]+)")


def data_uri(settings: Settings, uri: str, kind: str) -> str:
    """Return the location of a data asset; folders and tables in a datastore end in a slash."""
    if IN_DATASTORE.fullmatch(uri) is None:
        return uri
    full = in_full(settings, uri, "resourcegroups") if uri.startswith("azureml://datastores/") else uri
    return full if kind == "uri_file" or full.endswith("/") else f"{full}/"


def model_uri(context: Context, uri: str) -> tuple[str, str | None]:
    """Return the location of a model, and the job that made it.

    Raises:
        ArmError: 400, if the location is in a job that does not exist.
    """
    if found := OF_JOB.fullmatch(uri):
        uri = _output_uri(_run(context, found[1]), found[2], found[3] or "")
    elif found := OF_RUN.fullmatch(uri):
        uri = _run(context, found[1]).artifact(found[2] or "").rstrip("/")
    job = JOB_FOLDER.search(uri)
    return in_full(context.settings, uri), job[1] if job else None


def _run(context: Context, name: str) -> Run:
    run = context.runs.get(name)
    if run is None:
        raise bad_request(f"Run {name} was not found.")
    return run


def _output_uri(run: Run, output: str, path: str) -> str:
    if output == ARTIFACTS:
        return run.artifact(path).rstrip("/")
    if output not in run.outputs:
        raise bad_request(f"Run {run.id} has no output {output!r}; it has {', '.join([ARTIFACTS, *run.outputs])}.")
    return f"{run.outputs[output]['uri'].rstrip('/')}/{path}".rstrip("/")


def in_full(settings: Settings, uri: str, groups: str = MODEL_GROUPS) -> str:
    """Return a location in a datastore with subscription and workspace; any other one unchanged."""
    found = IN_DATASTORE.fullmatch(uri)
    if found is None:
        return uri
    return (
        f"azureml://subscriptions/{settings.subscription_id}/{groups}/{settings.resource_group}"
        f"/workspaces/{settings.workspace}/datastores/{found[1]}/paths/{found[2]}"
    )
