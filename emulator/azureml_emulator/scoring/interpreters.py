"""The Python of a job or deployment: a local interpreter given for it, or one built for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.scoring.build_failures import ImageBuildError, image_build_failure
from azureml_emulator.scoring.conda_files import PYTHON_MINOR, CondaSpec, parse_conda_file, requested_python
from azureml_emulator.scoring.curated_environments import find_stand_in, without_prefix
from azureml_emulator.scoring.environments import build_environment
from azureml_emulator.store import Document

SERVER = "azureml-inference-server-http~=1.5"
SERVER_PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
"""Versions that azureml-inference-server-http supports; it sets no upper bound, 3.13 is tested."""


@dataclass(frozen=True)
class Interpreter:
    """An interpreter that runs jobs or deployments.

    Attributes:
        python: Its path.
        notes: How it differs from the environment it stands for, for the build log.
    """

    python: Path
    notes: tuple[str, ...] = ()


def choose_interpreter(
    environment: Document, local_pythons: Mapping[str, Path], *, for_server: bool = False
) -> Path | CondaSpec:
    """Choose the local interpreter for an environment, or what to build for it.

    Args:
        environment: A version of an environment.
        local_pythons: Local interpreters by what they replace: the name of an environment (`name` or `name:version`),
            an image (with or without its tag or digest), or the Python of a conda file (`python3.8`).
        for_server: Whether it runs the inference server, which curated images contain.

    Raises:
        ArmError: ImageBuildFailure, if there is no local interpreter for an image, or the conda file is refused.
    """
    for name in _names(environment):
        if name in local_pythons:
            return local_pythons[name]
    conda_file = environment["properties"].get("condaFile")
    if conda_file and (local := local_pythons.get(f"python{requested_python(conda_file)}")):
        return local
    spec = parse_conda_file(conda_file) if conda_file else _stand_in(environment, for_server)
    if for_server:
        check_server_python(spec)
    return spec


async def provide_interpreter(environment: Document, chosen: Path | CondaSpec) -> Interpreter:
    """Build what was chosen for an environment, unless it is a local interpreter.

    Raises:
        ArmError: ImageBuildFailure, if it cannot be built.
    """
    if isinstance(chosen, Path):
        return Interpreter(chosen)
    try:
        return Interpreter(await build_environment(chosen) / "bin" / "python", chosen.notes)
    except ImageBuildError as error:
        if environment["properties"]:
            raise
        raise _with_hint(error, environment) from None


def check_server_python(spec: CondaSpec) -> None:
    """Refuse a Python that the inference server does not run on.

    Raises:
        ArmError: ImageBuildFailure.
    """
    if spec.python not in SERVER_PYTHONS:
        raise image_build_failure(
            f"The inference server does not support Python {spec.python} of the conda file; choose a version, as"
            f" 'python=X.Y': {', '.join(SERVER_PYTHONS)}."
        )


def _stand_in(environment: Document, for_server: bool) -> CondaSpec:
    """Return what stands in for a curated environment's image."""
    name, version = _name_and_version(environment)
    properties = environment["properties"]
    requirements = None if properties else find_stand_in(name)
    if requirements is None:
        has = "an image" if properties.get("image") else "a build context" if properties else "a curated image"
        raise image_build_failure(
            f"The environment {name}:{version} has no conda file, only {has}: the emulator runs no images."
            f" {_hint(environment)}"
        )
    packages = (*requirements, SERVER) if for_server else requirements
    note = (
        f"Python {PYTHON_MINOR} with {', '.join(packages) or 'no packages'} stands in for the curated image of {name}"
    )
    return CondaSpec(packages, notes=(note,))


def _with_hint(error: ImageBuildError, environment: Document) -> ArmError:
    reason = f"{error.reason} {_hint(environment)}"
    return ImageBuildError(reason, error.message.replace(error.reason, reason, 1), error.log)


def _hint(environment: Document) -> str:
    name, _ = _name_and_version(environment)
    return (
        f"Start the emulator with --environment-python {name}=PYTHON, where PYTHON is an interpreter that can run the"
        " job."
    )


def _name_and_version(environment: Document) -> tuple[str, str]:
    *_, name, _, version = environment["id"].split("/")
    return name, version


def _names(environment: Document) -> list[str]:
    """List what a local interpreter for an environment can be given for, the most specific first."""
    name, version = _name_and_version(environment)
    image = environment["properties"].get("image") or ""
    untagged = image.partition("@")[0]
    # A colon after the last slash is a tag's, one before it a registry's port.
    head, slash, last = untagged.rpartition("/")
    bare = f"{head}{slash}{last.partition(':')[0]}"
    return [f"{name}:{version}", name, without_prefix(name), image, untagged, bare]
