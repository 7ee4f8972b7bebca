"""Downloading what a pipeline job left: the artifacts of its steps, and its own named outputs."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from kfp_azureml.azureml.failures import azure_errors
from kfp_azureml.azureml.workspace import quiet_sdk
from kfp_azureml.azureml_pipelines.following import ENDED
from kfp_azureml.errors import OutputError, PipelineError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

_NAMED = "named-outputs"
_LOGS = "default"


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
        raise PipelineError(f"job {name} is {job.status}: its outputs can be downloaded when it has ended")
    folders: list[Path] = []
    if not outputs:
        for label, step in steps.items():
            if step.status == "Completed":
                folders += _download(client, step.name, None, to / label)
    for wanted in outputs:
        label, _, output = wanted.rpartition(".")
        if label and label not in steps:
            raise PipelineError(f"output {wanted}: the job has no step {label}; it ran {', '.join(sorted(steps))}")
        owner = steps[label].name if label else name
        found = _download(client, owner, output, to / label)
        if not found:
            raise PipelineError(f"output {wanted}: there is none; a step's outputs are named STEP.OUTPUT")
        folders += found
    return folders


def artifact_path(folder: Path) -> Path:
    """Return where the artifact itself is in a downloaded output: our steps leave `kfp.json` beside it."""
    described = folder / "kfp.json"
    return folder / json.loads(described.read_text())["path"] if described.is_file() else folder


def _download(client: MLClient, name: str, output: str | None, to: Path) -> list[Path]:
    from azure.ai.ml.exceptions import MlException

    with tempfile.TemporaryDirectory(prefix="kfp-azureml-") as folder:
        try:
            with azure_errors(f"downloading the outputs of {name}", PipelineError), quiet_sdk():
                if output is None:
                    client.jobs.download(name, download_path=folder, all=True)
                else:
                    client.jobs.download(name, download_path=folder, output_name=output)
        except MlException as error:
            raise PipelineError(f"downloading the outputs of {name}: {' '.join(str(error).split())}") from error
        downloaded = Path(folder) / _NAMED
        found = sorted(path for path in downloaded.iterdir() if path.name != _LOGS) if downloaded.is_dir() else []
        for path in found:
            if (to / path.name).exists():
                raise OutputError(f"{to / path.name} exists: remove it or name another folder with --to")
        to.mkdir(parents=True, exist_ok=True)
        return [Path(shutil.move(path, to / path.name)) for path in found]
