"""Downloading what a pipeline job left: the artifacts of its steps, and its own named outputs."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp_azureml.azureml.failures import azure_errors
from kfp_azureml.azureml.workspace import quiet_sdk
from kfp_azureml.azureml_pipelines.following import ENDED, state_in_words
from kfp_azureml.errors import OutputError, PipelineError

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
    with azure_errors(f"asking for job {name}", PipelineError), quiet_sdk():
        job = client.jobs.get(name)
        steps = {str(step.display_name): step for step in client.jobs.list(parent_job_name=name)}
    if job.status not in ENDED:
        raise PipelineError(
            f"job {name} is {state_in_words(job.status)}: its outputs can be downloaded when it has ended"
        )
    if not outputs:
        done = [label for label, step in steps.items() if step.status == "Completed"]
        outputs = [f"{label}.{output}" for label in done for output in _artifacts_of(client, job.jobs[label])]
    return [_download(client, name, wanted, steps, to) for wanted in outputs]


def artifact_path(folder: Path) -> Path:
    """Return where the artifact itself is in a downloaded output: our steps leave `kfp.json` beside it."""
    described = folder / "kfp.json"
    return folder / json.loads(described.read_text())["path"] if described.is_file() else folder


def _artifacts_of(client: MLClient, node: Any) -> list[str]:
    """Return the outputs of a step's component that are data."""
    name, _, version = str(node.component).rpartition(":")
    with azure_errors(f"looking for component {name}, version {version}", PipelineError), quiet_sdk():
        component = client.components.get(name, version)
    return [output for output, port in component.outputs.items() if port.type == "uri_folder"]


def _download(client: MLClient, name: str, wanted: str, steps: Mapping[str, Any], to: Path) -> Path:
    from azure.ai.ml.exceptions import MlException

    label, _, output = wanted.rpartition(".")
    if label and label not in steps:
        raise PipelineError(f"output {wanted}: the job has no step {label}; it ran {', '.join(sorted(steps))}")
    target = to / label / output
    if target.exists():
        raise OutputError(f"{target} exists: remove it or name another folder with --to")
    owner = steps[label].name if label else name
    with tempfile.TemporaryDirectory(prefix="kfp-azureml-") as folder:
        try:
            with azure_errors(f"downloading output {wanted}", PipelineError), quiet_sdk():
                client.jobs.download(owner, download_path=folder, output_name=output)
        except MlException as error:
            raise PipelineError(f"downloading output {wanted}: {' '.join(str(error).split())}") from error
        downloaded = Path(folder) / _NAMED / output
        if not downloaded.is_dir():
            raise PipelineError(f"output {wanted}: there is none; a step's outputs are named STEP.OUTPUT")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(downloaded, target)
    return target
