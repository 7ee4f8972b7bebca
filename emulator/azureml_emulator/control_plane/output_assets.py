"""Outputs of jobs that become data assets or models: `Output(name=..., version=...)`."""

from __future__ import annotations

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.control_plane.assets import add_version
from azureml_emulator.jobs.job_context import OutputAsset
from azureml_emulator.storage import asset_integrity
from azureml_emulator.storage.blobs import Blobs
from azureml_emulator.store import Document, Store


async def register_output(store: Store, blobs: Blobs, workspace_id: str, output: OutputAsset) -> None:
    """Register a job's output as a new version of an asset.

    Raises:
        ArmError: 400, if the version exists.
    """
    is_model = output.type.endswith("_model")
    container_id = f"{workspace_id}/{'models' if is_model else 'data'}/{output.name}"
    version = output.version or _next_version(store, container_id)
    version_id = f"{container_id}/versions/{version}"
    if store.get(version_id):
        raise ArmError(
            400,
            "UserError",
            f"The output of job {output.job} cannot be registered: {output.name}:{version} exists. Leave the version"
            " out, or choose another.",
        )
    if is_model:
        await asset_integrity.record(store, blobs, version_id, output.uri)
    add_version(store, version_id, {**(_model(output) if is_model else _data(output)), **_common(output)})
    if not is_model:
        store.set_properties(container_id, dataType=output.type)


def _next_version(store: Store, container_id: str) -> str:
    container = store.get(container_id)
    return str(container["properties"]["nextVersion"]) if container else "1"


def _model(output: OutputAsset) -> Document:
    return {"modelUri": output.uri, "modelType": output.type, "flavors": {}, "jobName": output.job}


def _data(output: OutputAsset) -> Document:
    return {"dataUri": output.uri, "dataType": output.type}


def _common(output: OutputAsset) -> Document:
    return {
        "description": None,
        "tags": {},
        "properties": {"azureml.RunId": output.job},
        "isAnonymous": False,
        "isArchived": False,
        "provisioningState": "Succeeded",
    }
