"""The environment an endpoint's code runs in: ours, one of the workspace, or one made from a conda file or an image."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from kfp_azureml.azureml.content_hash import text_hash
from kfp_azureml.runtime.errors import DeploymentError
from kfp_azureml.runtime.step import progress
from kfp_azureml.runtime.text_files import read_user_text

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

# Azure withdraws its dated tags after six months: what runs our code is pinned by the conda file instead.
BASE_IMAGE = "mcr.microsoft.com/azureml/minimal-ubuntu22.04-py39-cpu-inference:latest"

SERVING_FOLDER = Path(__file__).parent / "serving"
SERVING_ENVIRONMENT = "kfp-azureml-serving"
CUSTOM_ENVIRONMENT = "kfp-azureml-custom"


@dataclass(frozen=True)
class EnvironmentRecipe:
    """An environment to be made, named after its content, so that it is made once.

    Attributes:
        name: Its name in the workspace.
        image: The base image.
        conda: The parsed conda file; None if the image is all there is.
    """

    name: str
    image: str
    conda: dict[str, Any] | None

    @property
    def version(self) -> str:
        """The content's hash, shortened."""
        return text_hash(self.image, json.dumps(self.conda, sort_keys=True))[:12]

    @property
    def reference(self) -> str:
        """`name:version`, as deployments refer to it."""
        return f"{self.name}:{self.version}"


def serving_recipe(image: str = "") -> EnvironmentRecipe:
    """Return the recipe of our own serving environment, with the Python version of this interpreter.

    Args:
        image: Another base image than ours.
    """
    conda = _read_conda(SERVING_FOLDER / "conda.yaml")
    python = f"python={sys.version_info.major}.{sys.version_info.minor}"
    dependencies = [
        python if isinstance(package, str) and package.startswith("python=") else package
        for package in conda["dependencies"]
    ]
    return EnvironmentRecipe(SERVING_ENVIRONMENT, image or BASE_IMAGE, {**conda, "dependencies": dependencies})


def custom_recipe(conda_file: Path | None, image: str) -> EnvironmentRecipe:
    """Return the recipe of an environment of the user's: a conda file on a base image, or an image alone.

    Raises:
        DeploymentError: If the conda file is missing or is none.
    """
    return EnvironmentRecipe(
        CUSTOM_ENVIRONMENT, image or BASE_IMAGE, _read_conda(conda_file) if conda_file is not None else None
    )


def ensure_environment(client: MLClient, recipe: EnvironmentRecipe) -> None:
    """Make the environment, unless the workspace already has it.

    Raises:
        AzureError: As the SDK raises it.
    """
    from azure.ai.ml.entities import Environment
    from azure.core.exceptions import ResourceNotFoundError

    try:
        client.environments.get(recipe.name, recipe.version)
    except ResourceNotFoundError:
        progress(f"environment {recipe.reference}: creating")
        client.environments.create_or_update(
            Environment(name=recipe.name, version=recipe.version, image=recipe.image, conda_file=recipe.conda)
        )


def _read_conda(path: Path) -> dict[str, Any]:
    try:
        conda = yaml.safe_load(read_user_text(path, DeploymentError, name=f"conda file {path}"))
    except yaml.YAMLError as error:
        raise DeploymentError(f"conda file {path}: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(conda, dict) or not isinstance(conda.get("dependencies"), list):
        raise DeploymentError(f"conda file {path}: expected an environment with `dependencies`")
    return conda
