"""Environments of deployments: the suite's own, or one created from a conda file or an image."""

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

# Azure removes dated tags after six months; the conda file pins the packages instead.
BASE_IMAGE = "mcr.microsoft.com/azureml/minimal-ubuntu22.04-py39-cpu-inference:latest"

SERVING_FOLDER = Path(__file__).parent / "serving"
SERVING_ENVIRONMENT = "kfp-azureml-serving"
CUSTOM_ENVIRONMENT = "kfp-azureml-custom"


@dataclass(frozen=True)
class EnvironmentRecipe:
    """An environment to create, with its content's hash as version, so that it is created once.

    Attributes:
        name: Name in the workspace.
        image: Base image.
        conda: Parsed conda file; None for an image alone.
    """

    name: str
    image: str
    conda: dict[str, Any] | None

    @property
    def version(self) -> str:
        """Shortened hash of the content."""
        return text_hash(self.image, json.dumps(self.conda, sort_keys=True))[:12]

    @property
    def reference(self) -> str:
        """Reference in a deployment: `name:version`."""
        return f"{self.name}:{self.version}"


def serving_recipe(image: str = "") -> EnvironmentRecipe:
    """Return the suite's serving environment, with this interpreter's Python version.

    Args:
        image: Base image; empty for the default.
    """
    conda = read_conda(SERVING_FOLDER / "conda.yaml")
    python = f"python={sys.version_info.major}.{sys.version_info.minor}"
    dependencies = [
        python if isinstance(package, str) and package.startswith("python=") else package
        for package in conda["dependencies"]
    ]
    return EnvironmentRecipe(SERVING_ENVIRONMENT, image or BASE_IMAGE, {**conda, "dependencies": dependencies})


def custom_recipe(conda_file: Path | None, image: str) -> EnvironmentRecipe:
    """Return an environment for the user's code: a conda file on a base image, or an image alone.

    Raises:
        DeploymentError: If the conda file is missing or invalid.
    """
    return conda_recipe(read_conda(conda_file) if conda_file is not None else None, image)


def conda_recipe(conda: dict[str, Any] | None, image: str) -> EnvironmentRecipe:
    """Return an environment for the user's code: a parsed conda file on a base image, or an image alone."""
    return EnvironmentRecipe(CUSTOM_ENVIRONMENT, image or BASE_IMAGE, conda)


def ensure_environment(client: MLClient, recipe: EnvironmentRecipe) -> None:
    """Create the environment, unless it exists.

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


def read_conda(path: Path) -> dict[str, Any]:
    """Read a conda file.

    Raises:
        DeploymentError: If it is missing or invalid.
    """
    try:
        text = read_user_text(path, DeploymentError, name=f"conda file {path}")
        # Before they are resolved: a few lines of them can stand for gigabytes.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise DeploymentError(f"conda file {path}: has references of YAML (*NAME): write out what they stand for")
        conda = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # such as a date that is none
        raise DeploymentError(f"conda file {path}: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(conda, dict) or not isinstance(conda.get("dependencies"), list):
        raise DeploymentError(f"conda file {path}: expected an environment with `dependencies`")
    return conda
