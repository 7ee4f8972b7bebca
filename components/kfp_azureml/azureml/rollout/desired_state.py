"""The desired state of a deployment: model, serving, compute and names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kfp_azureml.azureml.content_hash import content_hash, text_hash
from kfp_azureml.azureml.rollout.environment import (
    SERVING_FOLDER,
    EnvironmentRecipe,
    conda_recipe,
    custom_recipe,
    serving_recipe,
)
from kfp_azureml.azureml.rollout.kubernetes import ContainerResources
from kfp_azureml.azureml.rollout.scaling import Scaling
from kfp_azureml.azureml.rollout.server_settings import ServerSettings
from kfp_azureml.models.model_folder import hash_files
from kfp_azureml.runtime.errors import DeploymentError

SCORING_SCRIPT = "score.py"
INSTANCE_TYPE = "Standard_DS3_v2"
# Worker processes of the suite's entry script: one per core of INSTANCE_TYPE. The server's default is 1.
WORKERS = 4


@dataclass(frozen=True)
class Serving:
    """What serves a model.

    Attributes:
        code: Folder with the entry script; None for a model that Azure serves without one.
        scoring_script: The entry script in `code`.
        environment: Recipe of an environment to create, reference of an existing one, or None without code.
        variables: Environment variables for the entry script.
    """

    code: Path | None
    scoring_script: str
    environment: EnvironmentRecipe | str | None
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_ours(self) -> bool:
        """Whether the suite's entry script serves the model."""
        return self.code == SERVING_FOLDER

    def environment_variables(self, timeout_seconds: int) -> dict[str, str]:
        """Return the environment variables of the server; for user code only `variables`.

        It may not support ours.

        Args:
            timeout_seconds: Timeout of a request. Without it, a client that stops in the middle of its request keeps a
                worker for five minutes.
        """
        ours = {"WORKER_COUNT": str(WORKERS), "SCORING_TIMEOUT_MS": str(timeout_seconds * 1000)}
        return {**(ours if self.is_ours else {}), **self.variables}

    @property
    def environment_reference(self) -> str | None:
        """The environment's reference, as a deployment names it."""
        return self.environment.reference if isinstance(self.environment, EnvironmentRecipe) else self.environment

    def fingerprint(self, model_id: str) -> str:
        """Return a hash of all that determines the deployment's responses."""
        code = f"{content_hash(hash_files(self.code))}/{self.scoring_script}" if self.code else ""
        variables = [json.dumps(dict(self.variables), sort_keys=True)] if self.variables else []
        return text_hash(model_id, code, self.environment_reference or "", *variables)


@dataclass(frozen=True)
class ServingSettings:
    """The component's settings for serving, validated.

    Attributes:
        code: Folder with an entry script; None for the suite's own, or for a model that Azure serves without one.
        scoring_script: The entry script in `code`.
        environment: Reference of an existing environment for `code`, `name:version`; empty for none.
        conda_file: Conda file for a new environment, relative to `code`; None for none.
        image: Base image of a new environment, or an image to use as it is; empty for the default.
        conda: Parsed conda file in place of `conda_file`.
        variables: Environment variables for the entry script.

    Raises:
        DeploymentError: If the settings do not go together.
    """

    code: Path | None
    scoring_script: str
    environment: str
    conda_file: Path | None
    image: str
    conda: dict[str, Any] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.environment and (self.conda_file or self.image):
            raise DeploymentError("environment is an existing one: set either environment, or conda_file and image")
        if self.code is None and (self.conda_file or self.environment):
            raise DeploymentError("environment and conda_file require code")
        if self.code is None:
            return
        if not (self.code / self.scoring_script).is_file():
            raise DeploymentError(f"entry script {self.code / self.scoring_script}: missing")
        if not (self.environment or self.conda_file or self.conda or self.image):
            raise DeploymentError(f"code {self.code}: has no environment: set environment, conda_file or image")

    def serving(self, model_type: str) -> Serving:
        """Return what a model of this Azure ML type is served with.

        Raises:
            DeploymentError: If the conda file is missing or invalid.
        """
        if self.code is None:
            if model_type != "custom_model":
                return Serving(None, self.scoring_script, None)
            return Serving(SERVING_FOLDER, SCORING_SCRIPT, serving_recipe(self.image))
        if self.environment:
            is_long = self.environment.startswith("azureml://")
            reference = self.environment if is_long else self.environment.removeprefix("azureml:")
            return Serving(self.code, self.scoring_script, reference, self.variables)
        recipe = conda_recipe(self.conda, self.image)
        if self.conda_file:
            recipe = custom_recipe(self.code / self.conda_file, self.image)
        return Serving(self.code, self.scoring_script, recipe, self.variables)


@dataclass(frozen=True)
class Machines:
    """The component's settings for the compute, validated.

    Attributes:
        compute: Attached Kubernetes compute; empty for a managed endpoint.
        instance_type: VM size, or the cluster's instance type; empty for the default.
        instance_count: Number of instances; 0 for as many as the live deployment has.
        resources: Resources of a container on Kubernetes; None for those of the instance type.
        scaling: How the number changes; None leaves that as it is.

    Raises:
        DeploymentError: If the number is negative, or scaling sets the number.
    """

    compute: str
    instance_type: str
    instance_count: int
    resources: ContainerResources | None = None
    scaling: Scaling | None = None

    def __post_init__(self) -> None:
        if self.instance_count < 0:
            raise DeploymentError(f"instance_count {self.instance_count}: must be 1 or more, or 0 to keep the number")
        if self.instance_count and self.scaling:
            raise DeploymentError(
                f"instance_count {self.instance_count}: autoscale sets the number, from {self.scaling.min_instances} "
                f"to {self.scaling.max_instances}: leave one of them out"
            )

    @property
    def resolved_instance_type(self) -> str | None:
        """The instance type that a deployment is created with."""
        return self.instance_type or (None if self.compute else INSTANCE_TYPE)

    def count(self, current: int | None) -> int:
        """Return the number of instances of a deployment.

        Args:
            current: Its present number, or that of the live deployment that it replaces; None without one.
        """
        if self.scaling:
            return self.scaling.nearest(current or self.scaling.min_instances)
        return self.instance_count or current or 1


@dataclass(frozen=True)
class DesiredState:
    """A deployment as it should be.

    Attributes:
        endpoint: The endpoint's name.
        deployment: The deployment's name.
        model_id: The model version's Azure resource id.
        model: The model version, `name:version`.
        serving: What serves the model.
        machines: What it runs on.
        fingerprint: Hash of model and serving, kept in the deployment's properties.
        run_id: The pipeline run, kept in the deployment's properties.
        server: Settings of its server.
    """

    endpoint: str
    deployment: str
    model_id: str
    model: str
    serving: Serving
    machines: Machines
    fingerprint: str
    run_id: str
    server: ServerSettings = field(default_factory=ServerSettings)
