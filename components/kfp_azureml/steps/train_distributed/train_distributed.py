"""Train in several workers: run a TrainJob of Kubeflow Trainer and fetch its result."""

from __future__ import annotations

import json
import os
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp_azureml.engines.api import Api, connect
from kfp_azureml.engines.api_errors import ApiError
from kfp_azureml.engines.follow import Limits
from kfp_azureml.engines.identity import Identity
from kfp_azureml.engines.own_pod import read_own_pod
from kfp_azureml.engines.run_to_end import run_to_end
from kfp_azureml.engines.train_job import TRAIN_JOB, Program, Workers, choose_runtime, train_job_spec
from kfp_azureml.runtime.errors import DataError, KubeflowError, ModelError, TrainingError
from kfp_azureml.runtime.outputs import atomic_file, atomic_folder
from kfp_azureml.runtime.redaction import add_secret
from kfp_azureml.runtime.step import LOG_LEVEL, progress, report
from kfp_azureml.steps.train_distributed.storage import (
    Access,
    artifact_store_access,
    azure_access,
    check_no_secrets,
    shared_address,
    variables,
)

if TYPE_CHECKING:
    from kfp_azureml.imagesets.stored_folder import StoredFolder

NAME = "train_distributed"
WORKER = ("python", "-m", "kfp_azureml.steps.train.worker")
"""The program of a worker; it writes `output_model`, `history.html` and at last `result.json`."""

_PASSED_ON = (LOG_LEVEL, "MLFLOW_TRACKING_URI")
"""Environment variables that the workers get from this step."""


@dataclass(frozen=True)
class Distribution:
    """How training is distributed; see the component for the fields.

    Raises:
        TrainingError: If a setting is invalid.
    """

    workers: Workers
    checkpoint: str
    image: str
    runtime: str
    azure_secret: str
    limits: Limits
    pipeline_run_id: str
    task_name: str

    def __post_init__(self) -> None:
        if not self.checkpoint:
            raise TrainingError(
                "checkpoint is empty; expected a URI or path that all workers reach, such as "
                "abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/checkpoints/first"
            )


def train_in_workers(
    data: str,
    store: Mapping[str, Any],
    output_model: Path,
    parameters: Mapping[str, Any],
    distribution: Distribution,
    *,
    output_history: Path,
    environ: Mapping[str, str] = os.environ,
) -> dict[str, Any]:
    """Train on a stored image set in several pods, and fetch the model.

    Args:
        data: URI of the training set, as written by prep.
        store: Metadata of its artifact.
        output_model: Folder for the model.
        parameters: Parameters of train by name, without `checkpoint`.
        distribution: The workers, and how they run.
        output_history: File for the page with loss and accuracy by epoch.
        environ: The environment variables.

    Returns:
        `metrics` and `metadata` of the model.

    Raises:
        KubeflowError: If the cluster refuses or fails the TrainJob, or a limit passes; then it is deleted.
        DataError: If the workers could not reach the data or the checkpoint, or an address has secrets.
        OutputError: If the result cannot be read or written.
        ModelError: If the model is damaged.
    """
    data = shared_address("input_data", data)
    checkpoint = shared_address("checkpoint", distribution.checkpoint).rstrip("/")
    access = artifact_store_access(store)
    if parameters["use_azure_credentials"]:
        access |= azure_access(distribution.azure_secret)

    api = connect()
    pod = read_own_pod(api, TRAIN_JOB, environ)
    image = distribution.image or pod.image
    if not image:
        raise KubeflowError("image is empty: set the image of the workers; only on Kubeflow it is that of this step")
    chosen = {**parameters, "checkpoint": checkpoint}
    request = {"data": data, "parameters": chosen, "image": image, "workers": vars(distribution.workers)}
    identity = Identity(distribution.pipeline_run_id or pod.run_id, distribution.task_name, request)
    output = f"{checkpoint}/result-{identity.key}"
    passed_on = {name: environ[name] for name in _PASSED_ON if environ.get(name)}
    for name, value in {**passed_on, "initial_weights": parameters.get("initial_weights", "")}.items():
        check_no_secrets(name, value)
    program = Program(
        image,
        (*WORKER, "--data", data, "--output", output, "--parameters", json.dumps(chosen)),
        {**access.environ, **passed_on},
        access.secrets,
    )
    progress(f"{distribution.workers.count} workers with {image}; checkpoint in {checkpoint}")
    spec = train_job_spec(program, distribution.workers, choose_runtime(api, distribution.runtime))
    run_to_end(api, TRAIN_JOB, spec, identity, distribution.limits, pod.owners)
    with variables(own_variables(api, access) if output.startswith("s3://") else {}):
        return _fetch(output, output_model, output_history, use_azure_credentials=parameters["use_azure_credentials"])


def _fetch(output: str, output_model: Path, output_history: Path, *, use_azure_credentials: bool) -> dict[str, Any]:
    from kfp_azureml.imagesets.stored_folder import StoredFolder
    from kfp_azureml.models.model_folder import hash_files, read_manifest, verify_files

    progress("fetching the model")
    stored = StoredFolder(output, use_azure_credentials)
    result = _read_result(stored)
    with atomic_folder(output_model) as folder:
        StoredFolder(f"{output}/output_model", use_azure_credentials).download(folder)
        verify_files(folder, hash_files(folder), read_manifest(folder).files)
        with atomic_file(output_history) as page:
            page.write_bytes(stored.read("history.html"))
    report(training_page=str(output_history))
    return result


def _read_result(stored: StoredFolder) -> dict[str, Any]:
    try:
        result: dict[str, Any] = json.loads(stored.read("result.json"))
        return {"metrics": dict(result["metrics"]), "metadata": dict(result["metadata"])}
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{stored.uri}/result.json: damaged ({error}): delete the folder and run again") from error


def own_variables(api: Api, access: Access) -> dict[str, str]:
    """Return the variables of the artifact store for this process.

    It may read the store's secret: Kubeflow's launcher does, in the same pod.

    Raises:
        DataError: If the secret cannot be read.
    """
    values = dict(access.environ)
    for variable, (name, key) in access.secrets.items():
        if not variable.startswith("AWS_") or variable in os.environ:
            continue
        try:
            secret = api.get(f"/api/v1/namespaces/{api.namespace}/secrets/{name}")
            values[variable] = b64decode(secret["data"][key]).decode()
        except (ApiError, KeyError, ValueError) as error:
            reason = error.message if isinstance(error, ApiError) else f"no valid key {key}"
            raise DataError(f"secret {name} of the object store cannot be read: {reason}; set {variable}") from None
        add_secret(values[variable])
    return values
