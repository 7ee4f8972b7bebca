"""Start the server of a deployment, with its environment, code and model."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from azureml_emulator.arm.durations import probe_seconds
from azureml_emulator.arm.errors import ArmError, not_found
from azureml_emulator.scoring import environments, instant, mlflow_models
from azureml_emulator.scoring.curated_environments import find_curated
from azureml_emulator.scoring.inference_server import InferenceServers, ScoringApp
from azureml_emulator.scoring.interpreters import choose_interpreter, provide_interpreter
from azureml_emulator.storage import asset_integrity
from azureml_emulator.storage.blobs import Blobs
from azureml_emulator.store import Document, Store


@dataclass(frozen=True)
class Deployer:
    """Starts and replaces the servers of deployments.

    Attributes:
        store: Holds the deployments and their assets.
        blobs: Holds the files of code and models.
        servers: The running servers.
        local_pythons: Local interpreters that replace environments; see `choose_interpreter`.
        instant: Whether the emulator itself answers, without an inference server.
    """

    store: Store
    blobs: Blobs
    servers: InferenceServers
    local_pythons: Mapping[str, Path]
    instant: bool

    async def deploy(self, deployment_id: str) -> None:
        """Start a deployment's server; the old one serves until the new one is ready.

        Raises:
            ArmError: If the environment, code or model is missing or broken, or the server does not become ready.
        """
        deployment = self.store.get(deployment_id)
        if deployment is None:
            raise not_found(deployment_id)
        properties = deployment["properties"]
        if self.instant:
            await self._deploy_instant(deployment_id, properties)
            return
        prepare = self._custom_app if properties["codeConfiguration"] else self._mlflow_app
        folder = self.servers.new_folder(deployment_id)
        try:
            app = await prepare(properties, folder)
            server = await self.servers.start(deployment_id, app, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        try:
            await server.wait_until_ready(probe_seconds(properties["readinessProbe"]))
        except BaseException:
            await server.stop()
            raise
        await self.servers.replace(deployment_id, server)

    async def _deploy_instant(self, deployment_id: str, properties: Document) -> None:
        """Answer from the model's sample file."""
        sample = None
        if properties["model"]:
            model = find_asset(self.store, properties["model"])
            sample = await self.blobs.read(f"{model['properties']['modelUri'].rstrip('/')}/{instant.SAMPLE_FILE}")
        log = self.servers.log(deployment_id)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(instant.LOG)
        await self.servers.replace(deployment_id, instant.InstantServer(sample))

    async def _custom_app(self, properties: Document, folder: Path) -> ScoringApp:
        """Serve the deployment's own code, in an environment of the workspace."""
        environment = find_environment(self.store, properties["environmentId"])
        chosen = choose_interpreter(environment, self.local_pythons, for_server=True)
        asset = find_asset(self.store, properties["codeConfiguration"]["codeId"])
        # Before the environment, which takes minutes: changed files are refused at once.
        code = await asset_integrity.fetch(
            self.store, self.blobs, asset, asset["properties"]["codeUri"], folder / "code"
        )
        model = await self._fetch_model(properties, folder)
        interpreter = await provide_interpreter(environment, chosen)
        return ScoringApp(
            environment=interpreter.python.parent.parent,
            code=code,
            entry_script=properties["codeConfiguration"]["scoringScript"],
            model=model.parent,
            variables=properties["environmentVariables"],
        )

    async def _mlflow_app(self, properties: Document, folder: Path) -> ScoringApp:
        """Serve an MLflow model, whose folder names its environment."""
        model = await self._fetch_model(properties, folder)
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

    async def _fetch_model(self, properties: Document, folder: Path) -> Path:
        """Copy the model to AZUREML_MODEL_DIR/<name of the uploaded folder or file>."""
        models = folder / "azureml-models"
        reference = properties["model"]
        if not reference:
            models.mkdir()
            return models / "none"
        model = find_asset(self.store, reference)
        name, _, version = model["id"].split("/")[-3:]
        uri = model["properties"]["modelUri"]
        return await asset_integrity.fetch(self.store, self.blobs, model, uri, models / name / version)


def find_asset(store: Store, reference: str) -> Document:
    """Find an asset by its ARM id, with or without the prefix `azureml:`.

    Raises:
        ArmError: 404, if the workspace has no such asset.
    """
    asset = store.get(reference.removeprefix("azureml:"))
    if asset is None:
        raise ArmError(
            404,
            "ResourceNotFound",
            f"The asset {reference} was not found in the workspace; registries are not emulated.",
        )
    return asset


def find_environment(store: Store, reference: str) -> Document:
    """Find an environment of the workspace, or a curated one.

    Raises:
        ArmError: 404, if there is no such environment.
    """
    return find_curated(store, reference) or find_asset(store, reference)
