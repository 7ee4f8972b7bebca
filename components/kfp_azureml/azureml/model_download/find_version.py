"""Find a version of a registered model: a given one, a label, or the highest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azure.core.exceptions import ResourceNotFoundError

from kfp_azureml.azureml.azure_errors import azure_errors
from kfp_azureml.azureml.names import MODEL, check_name
from kfp_azureml.azureml.retries import retrying
from kfp_azureml.runtime.errors import ModelError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Model


class NotRegisteredError(ModelError):
    """The workspace has no such model version."""


def find_version(client: MLClient, name: str, version: str) -> Model:
    """Return a version of a model.

    Args:
        client: A client of the workspace.
        name: The model.
        version: A version, `@LABEL`, or empty for the highest number; without numbers, for the newest version.

    Raises:
        InvalidNameError: If the name or version is invalid.
        NotRegisteredError: If it does not exist.
        ModelError: If it cannot be read.
    """
    check_name(MODEL, name, "model_name")
    if version:
        check_name(MODEL, version.removeprefix("@"), "model_version")
    shown = f"model {name}{_shown(version)}"
    what = f"reading {shown}"
    with azure_errors(what, ModelError):
        try:
            return retrying(what, lambda: _find(client, name, version))
        except ResourceNotFoundError:
            raise NotRegisteredError(f"{shown}: not registered in workspace {client.workspace_name}") from None


def _shown(version: str) -> str:
    if version.startswith("@"):
        return f" label {version.removeprefix('@')}"
    return f" version {version}" if version else ""


def _find(client: MLClient, name: str, version: str) -> Model:
    if version.startswith("@"):
        from azure.ai.ml.exceptions import ValidationException

        try:
            labelled: Model = client.models.get(name, label=version.removeprefix("@"))
        except ValidationException as error:  # a label that the model does not have
            raise ResourceNotFoundError(str(error)) from error
        return labelled
    if version:
        found: Model = client.models.get(name, version)
        return found
    # The service's own "latest" is the one registered last, which may be a lower number.
    versions = list(client.models.list(name))
    if not versions:
        raise ResourceNotFoundError(f"model {name} has no version")
    numbered = [one for one in versions if str(one.version).isdecimal()]
    if numbered:
        highest: Model = max(numbered, key=lambda one: int(str(one.version)))
        return highest
    newest: Model = max(versions, key=lambda one: str(one.creation_context and one.creation_context.created_at))
    return newest
