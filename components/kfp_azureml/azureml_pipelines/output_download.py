"""Download the outputs of a pipeline job: the artifacts of its steps and its named outputs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from kfp_azureml.azureml.names import RESOURCE, check_name
from kfp_azureml.azureml_pipelines.job_follower import ENDED, format_state
from kfp_azureml.azureml_pipelines.sdk_error_messages import sdk_errors
from kfp_azureml.runtime.errors import OutputError, PipelineError
from kfp_azureml.runtime.outputs import scratch_folder

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

_NAMED = "named-outputs"


def download_outputs(client: MLClient, name: str, to: Path, outputs: Iterable[str] = ()) -> list[Path]:
    """Download outputs of a job that has ended.

    Args:
        client: A client of the workspace.
        name: The job.
        to: Target folder. A step's output goes to STEP/OUTPUT in it, an output of the job to OUTPUT.
        outputs: `STEP.OUTPUT` for a step's output, `OUTPUT` for one of the job; empty selects all outputs of all steps.

    Returns:
        The folder of each output.

    Raises:
        PipelineError: If the job, step or output does not exist, or the job has not ended.
        OutputError: If a folder exists.
    """
    check_name(RESOURCE, name, "job")
    with sdk_errors(f"reading job {name}"):
        job = client.jobs.get(name)
        steps = {str(step.display_name): step for step in client.jobs.list(parent_job_name=name)}
    if job.status not in ENDED:
        raise PipelineError(f"job {name} is {format_state(job.status)}: download its outputs after it has ended")
    if not outputs:
        done = [label for label, step in steps.items() if step.status == "Completed"]
        outputs = [f"{label}.{output}" for label in done for output in _artifacts_of(client, job.jobs[label])]
    return [_download(client, wanted, _owners(wanted, job, steps), to) for wanted in outputs]


def artifact_path(folder: Path) -> Path:
    """Return the path of the artifact in a downloaded output, which may contain `kfp.json` next to it."""
    described = folder / "kfp.json"
    return folder / json.loads(described.read_text())["path"] if described.is_file() else folder


def _artifacts_of(client: MLClient, node: Any) -> list[str]:
    """Return the names of a step's output folders."""
    name, _, version = str(node.component).rpartition(":")
    with sdk_errors(f"reading component {name}, version {version}"):
        component = client.components.get(name, version)
    return [output for output, port in component.outputs.items() if port.type == "uri_folder"]


def _owners(wanted: str, job: Any, steps: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the runs that may have an output, each with its own name for it.

    An output of the job is also one of a step, and is stored there unless the job sets its path.
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
        raise OutputError(f"{target} exists: remove it or set another folder with --to")
    for run, output in owners:
        with scratch_folder(to) as folder:
            with sdk_errors(f"downloading output {wanted}"):
                client.jobs.download(run, download_path=folder, output_name=output)
            downloaded = folder / _NAMED / output
            if downloaded.is_dir():
                target.parent.mkdir(parents=True, exist_ok=True)
                downloaded.rename(target)
                return target
    raise PipelineError(f"output {wanted} does not exist; use STEP.OUTPUT for a step's output")
