"""Downloading what a pipeline job left: the artifacts of its steps, and its own named outputs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from kfp_azureml.azureml.names import RESOURCE, check_name
from kfp_azureml.azureml_pipelines.job_follower import ENDED, state_in_words
from kfp_azureml.azureml_pipelines.sdk_errors import sdk_errors
from kfp_azureml.runtime.errors import OutputError, PipelineError
from kfp_azureml.runtime.outputs import scratch_folder

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

_NAMED = "named-outputs"


def download_outputs(client: MLClient, name: str, to: Path, outputs: Iterable[str] = ()) -> list[Path]:
    """Download outputs of a job that has ended, whole.

    Args:
        client: A client of the workspace.
        name: The job.
        to: The folder for them; each gets a folder STEP/OUTPUT in it, the job's own outputs OUTPUT.
        outputs: Which: `STEP.OUTPUT` of a step, or `OUTPUT` of the job itself. None: all of all steps.

    Returns:
        The folder of each.

    Raises:
        PipelineError: If there is no such job, step or output, or the job has not ended.
        OutputError: If a folder is there already.
    """
    check_name(RESOURCE, name, "job")
    with sdk_errors(f"asking for job {name}"):
        job = client.jobs.get(name)
        steps = {str(step.display_name): step for step in client.jobs.list(parent_job_name=name)}
    if job.status not in ENDED:
        raise PipelineError(
            f"job {name} is {state_in_words(job.status)}: its outputs can be downloaded when it has ended"
        )
    if not outputs:
        done = [label for label, step in steps.items() if step.status == "Completed"]
        outputs = [f"{label}.{output}" for label in done for output in _artifacts_of(client, job.jobs[label])]
    return [_download(client, wanted, _owners(wanted, job, steps), to) for wanted in outputs]


def artifact_path(folder: Path) -> Path:
    """Return where the artifact itself is in a downloaded output: our steps leave `kfp.json` beside it."""
    described = folder / "kfp.json"
    return folder / json.loads(described.read_text())["path"] if described.is_file() else folder


def _artifacts_of(client: MLClient, node: Any) -> list[str]:
    """Return the outputs of a step's component that are data."""
    name, _, version = str(node.component).rpartition(":")
    with sdk_errors(f"looking for component {name}, version {version}"):
        component = client.components.get(name, version)
    return [output for output, port in component.outputs.items() if port.type == "uri_folder"]


def _owners(wanted: str, job: Any, steps: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the runs that may have an output, each with its name for it.

    An output of the job itself is one of a step's, and is stored as that unless the job says where.
    """
    label, _, output = wanted.rpartition(".")
    if label and label not in steps:
        raise PipelineError(f"output {wanted}: the job has no step {label}; it ran {', '.join(sorted(steps))}")
    if label:
        return [(steps[label].name, output)]
    text = io.StringIO()
    job.dump(text)
    nodes = yaml.safe_load(text.getvalue()).get("jobs", {})
    bound = f"${{{{parent.outputs.{output}}}}}"
    made_by = [
        (steps[step].name, own)
        for step, node in nodes.items()
        if step in steps
        for own, place in node.get("outputs", {}).items()
        if place == bound
    ]
    return [(job.name, output), *made_by]


def _download(client: MLClient, wanted: str, owners: list[tuple[str, str]], to: Path) -> Path:
    label, _, name = wanted.rpartition(".")
    target = to / label / name
    if target.exists():
        raise OutputError(f"{target} exists: remove it or name another folder with --to")
    for run, output in owners:
        with scratch_folder(to) as folder:
            with sdk_errors(f"downloading output {wanted}"):
                client.jobs.download(run, download_path=folder, output_name=output)
            downloaded = folder / _NAMED / output
            if downloaded.is_dir():
                target.parent.mkdir(parents=True, exist_ok=True)
                downloaded.rename(target)
                return target
    raise PipelineError(f"output {wanted}: there is none; a step's outputs are named STEP.OUTPUT")
