"""Outputs of jobs that become data assets or models: `Output(name=..., version=...)`."""

from __future__ import annotations

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.control_plane.asset_uris import data_uri, in_full
from azureml_emulator.control_plane.assets import NEW_VERSION
from azureml_emulator.control_plane.data import DATA
from azureml_emulator.control_plane.models import MODELS, new_version
from azureml_emulator.jobs.job_context import OutputAsset
from azureml_emulator.settings import Settings
from azureml_emulator.storage import asset_integrity
from azureml_emulator.storage.blobs import Blobs
from azureml_emulator.store import Document, Store


async def register_output(store: Store, blobs: Blobs, settings: Settings, output: OutputAsset) -> None:
    """Register a job's output as a new version of an asset.

    Raises:
        ArmError: 400, if the version exists.
    """
    is_model = output.type.endswith("_model")
    kind = MODELS if is_model else DATA
    container_id = f"{settings.workspace_id}/{kind.collection}/{output.name}"
    version_id = f"{container_id}/versions/{output.version or _next_version(store, container_id)}"
    if store.get(version_id):
        raise ArmError(
            400,
            "UserError",
            f"The output of job {output.job} cannot be registered: {output.name}:{output.version} exists. Leave the"
            " version out, or choose another.",
        )
    # Before anything is awaited: another job may register the next version meanwhile.
    kind.add_version(store, version_id, _model(settings, output) if is_model else _data(settings, output))
    if is_model:
        await asset_integrity.record(store, blobs, version_id, output.uri)


def _next_version(store: Store, container_id: str) -> str:
    container = store.get(container_id)
    return str(container["properties"]["nextVersion"]) if container else "1"


def _model(settings: Settings, output: OutputAsset) -> Document:
    return new_version(
        in_full(settings, output.uri), output.type, jobName=output.job, properties={"azureml.RunId": output.job}
    )


def _data(settings: Settings, output: OutputAsset) -> Document:
    return {
        **NEW_VERSION,
        "properties": {"azureml.RunId": output.job},
        "dataUri": data_uri(settings, output.uri, output.type),
        "dataType": output.type,
    }
