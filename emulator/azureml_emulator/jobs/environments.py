"""The Python of a job: a local interpreter given for it, or one built from conda."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from azureml_emulator.jobs.assets import find_asset
from azureml_emulator.scoring import environments
from azureml_emulator.store import Document, Store


async def find_python(store: Store, local_pythons: Mapping[str, Path], environment_id: str) -> Path:
    """Find or build the interpreter of an environment.

    Args:
        store: Holds the environment.
        local_pythons: Local interpreters by the name of the environment (`name` or `name:version`) or image (with or
            without its tag or digest) that they replace.
        environment_id: The environment's ARM id.

    Raises:
        ArmError: ImageBuildFailure, if it is an image without a local interpreter, or cannot be built.
    """
    environment = find_asset(store, environment_id, "environments")
    for name in _names(environment):
        if name in local_pythons:
            return local_pythons[name]
    properties = environment["properties"]
    if not properties.get("condaFile"):
        name, version = environment["id"].split("/")[-3::2]
        has = "an image" if properties.get("image") else "a build context"
        raise environments.image_build_failure(
            f"The environment {name}:{version} has no conda file, only {has}: the emulator runs no images. Start it"
            f" with --environment-python {name}=PYTHON, where PYTHON is an interpreter that can run the job."
        )
    return (
        await environments.build_environment(environments.parse_conda_file(properties["condaFile"])) / "bin" / "python"
    )


def _names(environment: Document) -> list[str]:
    """List the names of an environment, the most specific first."""
    name, version = environment["id"].split("/")[-3::2]
    image = environment["properties"].get("image") or ""
    untagged = image.partition("@")[0]
    # A colon after the last slash is a tag's, one before it a registry's port.
    head, slash, last = untagged.rpartition("/")
    return [f"{name}:{version}", name, image, untagged, f"{head}{slash}{last.partition(':')[0]}"]
