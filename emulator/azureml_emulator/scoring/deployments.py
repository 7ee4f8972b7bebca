"""Bringing a deployment up: its environment, code and model, and a server that serves once it is ready."""

from __future__ import annotations

import shutil
from pathlib import Path

from azureml_emulator.arm.durations import probe_seconds
from azureml_emulator.arm.errors import ArmError, not_found
from azureml_emulator.context import Context
from azureml_emulator.scoring import environments, instant, mlflow_models
from azureml_emulator.scoring.inference_server import ScoringApp
from azureml_emulator.storage import asset_integrity
from azureml_emulator.store import Document


async def bring_up(context: Context, deployment_id: str) -> None:
    """Build the environment, fetch code and model, start a server, and let it serve once it is ready.

    Args:
        context: The emulator.
        deployment_id: The deployment's ARM id. The server that serves now goes on until the new one is ready.

    Raises:
        ArmError: If any of it fails.
    """
    deployment = context.store.get(deployment_id)
    if deployment is None:
        raise not_found(deployment_id)
    properties = deployment["properties"]
    if context.settings.scoring == "instant":
        await _bring_up_at_once(context, deployment_id, properties)
        return
    prepare = _own_app if properties["codeConfiguration"] else _mlflow_app
    folder = context.servers.new_folder(deployment_id)
    try:
        app = await prepare(context, properties, folder)
        server = await context.servers.start(deployment_id, app, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    try:
        await server.wait_until_ready(probe_seconds(properties["readinessProbe"]))
    except BaseException:
        await server.stop()
        raise
    await context.servers.replace(deployment_id, server)


def find_asset(context: Context, reference: str) -> Document:
    """Find an asset of this workspace.

    Args:
        context: The emulator.
        reference: Its ARM id, with or without `azureml:` before it.

    Returns:
        The asset.

    Raises:
        ArmError: 404, if it is not there.
    """
    asset = context.store.get(reference.removeprefix("azureml:"))
    if asset is None:
        raise ArmError(
            404,
            "ResourceNotFound",
            f"The asset {reference} was not found in the workspace; the emulator has no others.",
        )
    return asset


async def _bring_up_at_once(context: Context, deployment_id: str, properties: Document) -> None:
    """Let the emulator itself answer, knowing what the model's sample says."""
    sample = None
    if properties["model"]:
        model = find_asset(context, properties["model"])
        sample = await context.blobs.read(f"{model['properties']['modelUri'].rstrip('/')}/{instant.SAMPLE_FILE}")
    log = context.servers.log(deployment_id)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(instant.LOG)
    await context.servers.replace(deployment_id, instant.InstantServer(sample))


async def _own_app(context: Context, properties: Document, folder: Path) -> ScoringApp:
    """Serve with the deployment's own code, in an environment of the workspace."""
    environment = find_asset(context, properties["environmentId"])
    conda_file = environment["properties"].get("condaFile")
    if not conda_file:
        raise environments.image_build_failure(
            f"The environment {environment['id']} has no conda file: the emulator runs no container images."
        )
    requirements = environments.parse_conda_file(conda_file)
    asset = find_asset(context, properties["codeConfiguration"]["codeId"])
    # Before the environment, which takes minutes: what was changed is refused at once.
    code = await asset_integrity.fetch(
        context.store, context.blobs, asset, asset["properties"]["codeUri"], folder / "code"
    )
    model = await _fetch_model(context, properties, folder)
    return ScoringApp(
        environment=await environments.build_environment(requirements),
        code=code,
        entry_script=properties["codeConfiguration"]["scoringScript"],
        model=model.parent,
        variables=properties["environmentVariables"],
    )


async def _mlflow_app(context: Context, properties: Document, folder: Path) -> ScoringApp:
    """Serve an MLflow model: what is needed is in its folder."""
    model = await _fetch_model(context, properties, folder)
    environment = await environments.build_environment(mlflow_models.read_environment(model))
    code = folder / "code"
    shutil.copytree(mlflow_models.ENTRY_FOLDER, code)
    return ScoringApp(
        environment=environment,
        code=code,
        entry_script=mlflow_models.ENTRY_SCRIPT,
        model=model.parent,
        variables={mlflow_models.FOLDER_VARIABLE: model.name, **properties["environmentVariables"]},
    )


async def _fetch_model(context: Context, properties: Document, folder: Path) -> Path:
    """Lay the model out as the service does: AZUREML_MODEL_DIR/<name of the uploaded folder or file>.

    Returns:
        The model's folder or file, AZUREML_MODEL_DIR being its parent.
    """
    models = folder / "azureml-models"
    reference = properties["model"]
    if not reference:
        models.mkdir()
        return models / "none"
    model = find_asset(context, reference)
    name, _, version = model["id"].split("/")[-3:]
    uri = model["properties"]["modelUri"]
    return await asset_integrity.fetch(context.store, context.blobs, model, uri, models / name / version)
