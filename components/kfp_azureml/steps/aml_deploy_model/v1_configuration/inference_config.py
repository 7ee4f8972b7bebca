"""inferenceconfig.json: what serves the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kfp_azureml.azureml.rollout.environment import read_conda
from kfp_azureml.runtime.errors import DeploymentError
from kfp_azureml.steps.aml_deploy_model.v1_configuration.code_paths import find_in
from kfp_azureml.steps.aml_deploy_model.v1_configuration.json_document import Section

FIELDS = (
    *("entryScript", "sourceDirectory", "condaFile", "runtime", "baseImage", "baseImageRegistry", "enableGpu"),
    *("cudaVersion", "extraDockerfileSteps", "extraDockerFileSteps", "description", "environment"),
)
ENVIRONMENT_FIELDS = ("name", "version", "environmentVariables", "python", "docker")
PYTHON_FIELDS = ("condaDependencies", "userManagedDependencies", "interpreterPath", "condaDependenciesFile")
DOCKER_FIELDS = ("baseImage", "baseDockerfile", "baseImageRegistry", "enabled")


@dataclass(frozen=True)
class InferenceConfig:
    """What an inferenceconfig.json asks for.

    Attributes:
        code: The source directory.
        scoring_script: The entry script in it.
        conda: The parsed conda file; None for none.
        conda_name: Its name, for messages.
        image: The base image; empty for the default.
        environment: An existing environment, `name:version`; empty for none.
        variables: Environment variables for the entry script.
        needs_image: Why the base image cannot be the default, with the field; empty if it can.
        notes: What has no counterpart.
    """

    code: Path
    scoring_script: str
    conda: dict[str, Any] | None
    conda_name: str
    image: str
    environment: str
    variables: Mapping[str, str] = field(default_factory=dict)
    needs_image: str = ""
    notes: tuple[str, ...] = ()


def read_inference_config(document: Section, code: Path) -> InferenceConfig:
    """Read the configuration.

    Args:
        document: The file.
        code: The folder that its paths are in.

    Raises:
        DeploymentError: If a field has the wrong type, names a file that is not in code, or asks for what v2 lacks.
    """
    notes = document.unknown(FIELDS)
    runtime = document.text("runtime")
    if runtime not in ("", "python"):
        document.fail("runtime", "endpoints serve Python only: score with a Spark job instead")
    directory = document.text("sourceDirectory")
    source = find_in(code, directory, document.where("sourceDirectory"), is_folder=True) if directory else code
    script = document.text("entryScript")
    if not script:
        document.fail("entryScript", "missing")
    entry = _find(source, code, script, document.where("entryScript"))
    if not entry.is_relative_to(source):
        source = code
    if document.is_set("description"):
        notes.append(f"{document.where('description')}: deployments here have none: remove it")
    given: dict[str, Any] = {
        "code": source,
        "scoring_script": entry.relative_to(source).as_posix(),
    }
    if document.values.get("environment") is not None:
        ignored = [name for name in ("condaFile", "baseImage", "enableGpu", "cudaVersion") if document.is_set(name)]
        notes += [f"{document.where(name)}: ignored as by SDK v1, since there is an environment" for name in ignored]
        return _with_environment(document.section("environment"), notes, given)
    conda_file = document.text("condaFile")
    conda_path = _find(source, code, conda_file, document.where("condaFile")) if conda_file else None
    image = _image(document, notes)
    return InferenceConfig(
        **given,
        conda=read_conda(conda_path) if conda_path else None,
        conda_name=conda_path.name if conda_path else "",
        image=image,
        environment="",
        needs_image=_needs_image(document, image),
        notes=tuple(notes),
    )


def _find(source: Path, code: Path, path: str, where: str) -> Path:
    """Find a file in the source directory, or else beside it in code."""
    try:
        return find_in(source, path, where)
    except DeploymentError:
        return find_in(code, path, where)


def _needs_image(document: Section, image: str) -> str:
    for name in ("extraDockerfileSteps", "extraDockerFileSteps"):
        if document.text(name):
            return (
                f"{document.where(name)}: Azure ML builds no image with extra steps here: build one with them, and set "
                "the parameter image"
            )
    if document.flag("enableGpu") and not image:
        return f"{document.where('enableGpu')}: the default image has no CUDA: set the parameter image to one that has"
    if document.is_set("cudaVersion"):
        return f"{document.where('cudaVersion')}: set the parameter image to an image with the CUDA that you need"
    return ""


def _image(document: Section, notes: list[str]) -> str:
    """Return the base image with its registry."""
    image = document.text("baseImage")
    registry = document.values.get("baseImageRegistry")
    if isinstance(registry, dict):
        section = document.section("baseImageRegistry")
        notes += section.unknown(("address", "username", "password"))
        notes += [
            f"{section.where(name)}: not used: give the workspace's identity AcrPull or create a workspace "
            "connection to the registry, and remove it from the file"
            for name in ("username", "password")
            if section.is_set(name)
        ]
        address = section.text("address")
    else:
        address = document.text("baseImageRegistry")
    address = address.strip("/")
    return f"{address}/{image}" if image and address and not image.startswith(f"{address}/") else image


def _with_environment(section: Section, notes: list[str], given: dict[str, Any]) -> InferenceConfig:
    """Translate an environment of SDK v1 in the file."""
    # SDK v1 writes every section of its own documents.
    others = ("assetId", "databricks", "inferencingStackVersion", "r", "spark")
    notes += section.unknown((*ENVIRONMENT_FIELDS, *others))
    python, docker = section.section("python"), section.section("docker")
    notes += python.unknown((*PYTHON_FIELDS, "baseCondaEnvironment"))
    docker_others = ("arguments", "baseImageRegistry", "gpuSupport", "platform", "sharedVolumes", "shmSize")
    notes += docker.unknown((*DOCKER_FIELDS, *docker_others))
    if docker.is_set("baseDockerfile"):
        docker.fail("baseDockerfile", "not built here: build an image from it, and set the parameter image")
    if section.is_set("r"):
        section.fail("r", "endpoints serve Python only")
    conda = python.values.get("condaDependencies")
    if python.flag("userManagedDependencies"):
        conda = None
    if conda is not None and not (isinstance(conda, dict) and isinstance(conda.get("dependencies"), list)):
        python.fail("condaDependencies", "must be a conda file with `dependencies`")
    variables = section.section("environmentVariables").values
    for name, value in variables.items():
        if not isinstance(value, str):
            section.fail("environmentVariables", f"the value of {name[:60]} must be a string")
    image, name, version = _image(docker, notes), section.text("name"), section.values.get("version")
    reference = ""
    if conda is None and not image:
        if not name or version is None:
            section.fail("name", "set name and version, condaDependencies or docker.baseImage")
        reference = f"{name}:{str(version)[:60]}"
    return InferenceConfig(
        **given,
        conda=conda,
        conda_name=f"{section.file}: environment.python.condaDependencies",
        image=image,
        environment=reference,
        variables=variables,
        notes=tuple(notes),
    )
