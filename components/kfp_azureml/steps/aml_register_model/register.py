"""Register a model folder in Azure Machine Learning; the same name and content give the same version."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kfp_azureml.azureml.content_hash import content_hash, text_hash
from kfp_azureml.azureml.names import MODEL, check_name
from kfp_azureml.azureml.property_names import CONTENT_PROPERTY, RUN_PROPERTY
from kfp_azureml.azureml.workspace_name import WorkspaceName
from kfp_azureml.models.model_folder import SAMPLE_FILE, CheckRecord, hash_files, sha256
from kfp_azureml.runtime.errors import ModelError
from kfp_azureml.runtime.step import progress, report
from kfp_azureml.runtime.text_files import read_user_json
from kfp_azureml.steps.aml_register_model.checks import check_model, default_type

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Model

NAME = "aml_register_model"

_FOLDER_NAME = "model"  # below AZUREML_MODEL_DIR
_ATTEMPTS = 40  # each lost race means that another registration went through


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model version.

    Attributes:
        name: The model's name in the workspace.
        version: Its version.
        id: Its Azure resource id.
        studio_url: Its page in Azure ML studio.
        tags: Its tags, from this and other registrations.
    """

    name: str
    version: str
    id: str
    studio_url: str
    tags: dict[str, str]


def register_model(
    model: Path,
    *,
    workspace: WorkspaceName,
    model_name: str,
    model_version: str,
    model_type: str,
    description: str,
    tags: Mapping[str, object],
    run_id: str,
    score_result: Path | None,
    params: Path | None,
) -> RegisteredModel:
    """Register a model folder, or find the version that already has this content.

    See the component `aml_register_model` for the arguments.

    Raises:
        ModelError: If the folder cannot be registered, or the version exists with other content.
        InvalidNameError: If Azure ML does not accept a name.
        CredentialsError: If the credentials are incomplete or rejected.
        WorkspaceError: If the workspace cannot be found or reached.
    """
    check_name(MODEL, model_name, "model_name")
    if model_version:
        check_name(MODEL, model_version, "model_version")
    files = hash_files(model)
    model_type = model_type or default_type(files)
    check = check_model(model, files, model_type, score_result)
    all_tags = {**_metric_tags(check), **_param_tags(params), **_as_tags(tags)}
    content = content_hash(files)

    from kfp_azureml.azureml.workspace import studio_url, workspace_client

    client = workspace_client(*workspace)
    wanted = _Wanted(model_name, model_version, model_type, content)
    upload = _files_to_upload(model, files, score_result)
    version = _find_or_create(client, wanted, upload, all_tags, description, run_id)
    registered = RegisteredModel(
        name=model_name,
        version=str(version.version),
        id=str(version.id),
        studio_url=studio_url(client, f"model/{model_name}:{version.version}/details"),
        tags=dict(version.tags or {}),
    )
    report(model={"name": registered.name, "version": registered.version, "id": registered.id})
    return registered


@dataclass(frozen=True)
class _Wanted:
    name: str
    version: str
    type: str
    content: str

    def is_held_by(self, model: Model) -> bool:
        return model.type == self.type and (model.properties or {}).get(CONTENT_PROPERTY) == self.content


def _find_or_create(
    client: MLClient, wanted: _Wanted, files: Mapping[str, Path], tags: dict[str, str], description: str, run_id: str
) -> Model:
    """Return the version with the wanted content; create it if there is none.

    Azure ML does not count versions atomically, but it refuses other content for an existing version. So the version
    is chosen here, and after a refusal the versions are listed again. It also refuses a deleted version, which it does
    not list: the next number is then tried.
    """
    from azure.ai.ml.entities import Model
    from azure.core.exceptions import HttpResponseError

    from kfp_azureml.azureml.azure_errors import azure_errors, was_deleted
    from kfp_azureml.azureml.upload import upload_files
    from kfp_azureml.azureml.workspace import quiet_sdk

    deleted = 0
    for attempt in range(_ATTEMPTS):
        with azure_errors(f"listing the versions of model {wanted.name}"):
            # Before the search: if the same content is registered in between, the number is taken and we look again.
            version = wanted.version or _next_version(_versions(client, wanted.name, archived=True), deleted)
            found = _find(client, wanted)
            if found:
                progress(f"model {wanted.name}: version {found.version} already has this content, nothing to upload")
                return _with_tags(client, found, tags)
        progress(f"model {wanted.name}: uploading and registering version {version}")
        with azure_errors(f"registering model {wanted.name} version {version}"), quiet_sdk():
            path = upload_files(client, files, _upload_folder(wanted, files))
            try:
                registered = _create(
                    client,
                    Model(
                        name=wanted.name,
                        version=version,
                        type=wanted.type,
                        path=path,
                        description=description or None,
                        tags=tags,
                        properties={CONTENT_PROPERTY: wanted.content, RUN_PROPERTY: run_id},
                    ),
                )
            except HttpResponseError as error:
                if was_deleted(error) and not wanted.version:
                    progress(f"model {wanted.name}: version {version} was deleted and cannot be used again")
                    deleted = int(version)
                    continue
                if error.status_code not in (400, 409) or not _read(client, wanted.name, version):
                    raise
            else:
                return registered
        # Another client took the version meanwhile.
        time.sleep(random.uniform(0, 0.2) * min(attempt, 10))  # noqa: S311 - jitter, not a secret
    raise ModelError(
        f"model {wanted.name}: too many concurrent registrations, {_ATTEMPTS} versions were taken: run the step again"
    )


def _create(client: MLClient, model: Model) -> Model:
    from kfp_azureml.azureml.retries import retrying

    registered: Model = retrying(
        f"registering model {model.name} version {model.version}", lambda: client.models.create_or_update(model)
    )
    return registered


def _find(client: MLClient, wanted: _Wanted) -> Model | None:
    found = _find_listed(client, wanted)
    taken = _read(client, wanted.name, wanted.version) if wanted.version and not found else None
    if found or not taken:
        return found
    where = f"model {wanted.name} version {wanted.version}"
    if not wanted.is_held_by(taken):
        raise ModelError(
            f"{where} exists with other content: set another model_version, or leave it empty for the next free number"
        )
    # It has this content and was not listed: it was registered in between, or is archived.
    found = _find_listed(client, wanted)
    if not found:
        raise ModelError(
            f"{where} has this content and is archived: restore it (az ml model restore --name {wanted.name} "
            f"--version {wanted.version}), set another model_version, or leave it empty for the next free number"
        )
    return found


def _find_listed(client: MLClient, wanted: _Wanted) -> Model | None:
    for version in _versions(client, wanted.name):
        if wanted.version in ("", version.version) and wanted.is_held_by(version):
            return version
    return None


def _versions(client: MLClient, name: str, archived: bool = False) -> list[Model]:
    from azure.ai.ml.constants import ListViewType
    from azure.core.exceptions import ResourceNotFoundError

    from kfp_azureml.azureml.retries import retrying

    try:
        view = ListViewType.ALL if archived else ListViewType.ACTIVE_ONLY
        return retrying(
            f"listing the versions of model {name}", lambda: list(client.models.list(name, list_view_type=view))
        )
    except ResourceNotFoundError:
        return []


def _read(client: MLClient, name: str, version: str) -> Model | None:
    from azure.core.exceptions import ResourceNotFoundError

    from kfp_azureml.azureml.retries import retrying

    try:
        found: Model = retrying(f"reading model {name} version {version}", lambda: client.models.get(name, version))
    except ResourceNotFoundError:
        return None
    return found


def _next_version(versions: Iterable[Model], deleted: int = 0) -> str:
    """Return the number after the highest one, known deleted ones included."""
    numbers = [int(str(model.version)) for model in versions if str(model.version).isdecimal()]
    return str(max([*numbers, deleted]) + 1)


def _with_tags(client: MLClient, model: Model, tags: dict[str, str]) -> Model:
    from kfp_azureml.azureml.azure_errors import azure_errors

    if tags.items() <= (model.tags or {}).items():
        return model
    model.tags = {**(model.tags or {}), **tags}
    with azure_errors(f"tagging model {model.name} version {model.version}"):
        return _create(client, model)


def _upload_folder(wanted: _Wanted, files: Mapping[str, Path]) -> str:
    """Return the folder in the blob store, named after its content."""
    sample = sha256(files[SAMPLE_FILE]) if SAMPLE_FILE in files else ""
    return f"kfp-azureml/{text_hash(wanted.content, sample)}/{_FOLDER_NAME}"


def _files_to_upload(model: Path, files: Mapping[str, str], score_result: Path | None) -> dict[str, Path]:
    """Return the files to register by name: the model's files and the sample for probes."""
    upload = {name: model / name for name in files}
    sample = score_result / SAMPLE_FILE if score_result else None
    if sample and sample.is_file():
        upload.setdefault(SAMPLE_FILE, sample)
    return upload


def _metric_tags(check: CheckRecord | None) -> dict[str, str]:
    if check is None:
        return {}
    numbers = {"accuracy": check.accuracy, "loss": check.loss, **check.metrics}
    return {**{name: f"{value:.4f}" for name, value in numbers.items()}, "scored_images": str(check.images)}


def _param_tags(params: Path | None) -> dict[str, str]:
    if params is None:
        return {}
    entries = read_user_json(params, ModelError, expected="a JSON file with the run's parameters")
    if not isinstance(entries, dict) or any(isinstance(value, (dict, list)) for value in entries.values()):
        raise ModelError(f"{params}: expected one flat JSON object, as its entries become tags")
    return _as_tags(entries)


def _as_tags(entries: Mapping[str, object]) -> dict[str, str]:
    """Return entries as tags, which are strings in Azure ML: other values as JSON."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in entries.items()}
