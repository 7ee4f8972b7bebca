"""Registering against a workspace in memory, with the one rule that matters: a taken version keeps its content."""

import copy
import json
from types import SimpleNamespace

import pytest
from azure.ai.ml.constants import ListViewType
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from azure_errors import arm_error, response_error
from blob_container import contain
from kfp_azureml.azureml import workspace as workspace_module
from kfp_azureml.azureml.property_names import CONTENT_PROPERTY, RUN_PROPERTY
from kfp_azureml.models import model_folder
from kfp_azureml.models.model_folder import CheckRecord, hash_files, write_check
from kfp_azureml.runtime.errors import CredentialsError, ModelError, WorkspaceError
from step_calls import register_model


class Models:
    """The model operations of the SDK's client, in memory."""

    def __init__(self):
        self.versions = {}
        self.archived = set()
        self.deleted = set()
        self.storage = None
        self.before_next_put = lambda: None
        self.after_next_list = lambda: None

    def list(self, name, list_view_type):
        listed = self._listed(name, list_view_type)
        interrupt, self.after_next_list = self.after_next_list, lambda: None
        interrupt()
        return listed

    def _listed(self, name, list_view_type):
        hidden = self.archived if list_view_type == ListViewType.ACTIVE_ONLY else ()
        return [model for (one, version), model in self.versions.items() if one == name and version not in hidden]

    def get(self, name, version):
        try:
            return self.versions[name, version]
        except KeyError:
            raise ResourceNotFoundError from None

    def create_or_update(self, model):
        interrupt, self.before_next_put = self.before_next_put, lambda: None
        interrupt()
        if model.version in self.deleted:
            said = f"Asset azureml://w/models/{model.name}/versions/{model.version} was deleted at 1/1/2026"
            raise response_error(400, arm_error("UserError", f"{said}, it cannot be recreated. Please try again."))
        taken = self.versions.get((model.name, model.version))
        if taken and taken.properties[CONTENT_PROPERTY] != model.properties[CONTENT_PROPERTY]:
            raise ResourceExistsError(response=SimpleNamespace(status_code=409, reason="Conflict", text=lambda: ""))
        stored = copy.copy(model)
        stored._id = f"/models/{model.name}/{model.version}"
        self.versions[model.name, model.version] = stored
        return stored


@pytest.fixture
def models(monkeypatch):
    models = Models()
    models.storage, client = contain(monkeypatch)
    vars(client).update(models=models, subscription_id="s", resource_group_name="rg", workspace_name="ws")
    monkeypatch.setattr(workspace_module, "workspace_client", lambda *_names: client)
    return models


@pytest.fixture
def folder(tmp_path):
    def make(content="network"):
        path = tmp_path / f"model-{content}"
        path.mkdir(exist_ok=True)
        (path / "model.bin").write_text(content)
        return path

    return make


def test_the_first_version_is_1_and_carries_run_and_content(models, folder):
    registered = register_model(folder(), model_name="net", run_id="run-7", tags={"stage": "trial"})
    assert (registered.name, registered.version, registered.id) == ("net", "1", "/models/net/1")
    assert registered.studio_url == (
        "https://ml.azure.com/model/net:1/details?wsid=/subscriptions/s/resourceGroups/rg"
        "/providers/Microsoft.MachineLearningServices/workspaces/ws"
    )
    assert registered.tags == {"stage": "trial"}
    stored = models.versions["net", "1"]
    assert stored.properties[RUN_PROPERTY] == "run-7"
    assert len(stored.properties[CONTENT_PROPERTY]) == 64
    assert stored.tags == {"stage": "trial"}


def test_the_same_content_is_found_and_not_uploaded_again(models, folder):
    first = register_model(folder(), model_name="net")
    register_model(folder("other"), model_name="net")
    assert register_model(folder(), model_name="net") == first
    assert len(models.storage.uploads) == 2
    assert len(models.versions) == 2


def test_new_tags_come_to_the_version_that_is_there(models, folder):
    register_model(folder(), model_name="net", tags={"a": "1"})
    register_model(folder(), model_name="net", tags={"b": 2})
    assert models.versions["net", "1"].tags == {"a": "1", "b": "2"}
    assert len(models.storage.uploads) == 1


def test_the_same_files_as_another_type_are_another_version(models, folder):
    path = folder()
    (path / "MLmodel").write_text("flavors: {}")
    assert register_model(path, model_name="net", model_type="custom_model").version == "1"
    assert register_model(path, model_name="net", model_type="mlflow_model").version == "2"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (("model.onnx",), "custom_model"),
        (("model.onnx", "MLmodel"), "mlflow_model"),
        (("model.onnx", "MLmodel", "model.keras"), "custom_model"),
    ],
)
def test_the_type_follows_from_the_files(models, folder, files, expected):
    path = folder()
    for name in files:
        (path / name).write_text("flavors: {}")
    version = register_model(path, model_name="net").version
    assert models.versions["net", version].type == expected


def test_a_version_taken_in_between_is_not_ours(models, folder):
    models.before_next_put = lambda: register_model(folder("other"), model_name="net")
    assert register_model(folder(), model_name="net").version == "2"


def test_a_number_that_was_deleted_is_passed_over(models, folder):
    models.deleted = {"1", "2"}
    assert register_model(folder(), model_name="net").version == "3"
    assert len(models.versions) == 1


def test_a_version_that_was_deleted_cannot_be_asked_for(models, folder):
    models.deleted = {"7"}
    with pytest.raises(ModelError, match=r"model net version 7: this version was deleted.* set another model_version"):
        register_model(folder(), model_name="net", model_version="7")


def test_the_same_content_registered_in_between_is_one_version(models, folder):
    def others():
        register_model(folder("other"), model_name="net")
        register_model(folder(), model_name="net")

    models.before_next_put = others
    assert register_model(folder(), model_name="net").version == "2"
    assert len(models.versions) == 2


def test_the_same_content_registered_between_two_looks_is_one_version(models, folder):
    models.after_next_list = lambda: register_model(folder(), model_name="net")
    assert register_model(folder(), model_name="net").version == "1"
    assert len(models.versions) == 1


def test_archived_versions_keep_their_numbers(models, folder):
    register_model(folder(), model_name="net")
    models.archived.add("1")
    assert register_model(folder(), model_name="net").version == "2"


def test_a_version_may_be_named(models, folder):
    assert register_model(folder(), model_name="net", model_version="rc-1").version == "rc-1"
    assert register_model(folder(), model_name="net", model_version="rc-1").version == "rc-1"
    assert len(models.storage.uploads) == 1


def test_a_named_version_with_another_content_is_refused(models, folder):
    register_model(folder(), model_name="net", model_version="1")
    with pytest.raises(ModelError, match="net version 1 exists with other content"):
        register_model(folder("other"), model_name="net", model_version="1")


def test_a_named_version_that_is_archived_says_how_to_get_it_back(models, folder):
    register_model(folder(), model_name="net", model_version="1")
    models.archived.add("1")
    with pytest.raises(ModelError, match=r"net version 1 has this content and is archived: .* --name net --version 1"):
        register_model(folder(), model_name="net", model_version="1")


def test_a_named_version_with_the_same_content_that_came_in_between_is_ours(models, folder):
    models.after_next_list = lambda: register_model(folder(), model_name="net", model_version="1")
    assert register_model(folder(), model_name="net", model_version="1").version == "1"
    assert len(models.versions) == 1


def test_the_sample_travels_with_the_model_and_does_not_change_its_content(models, folder, tmp_path):
    path = folder()
    scored = tmp_path / "scored"
    scored.mkdir()
    record = {"files": hash_files(path), "accuracy": 0.9, "loss": 0.25, "images": 3}
    (scored / "check.json").write_text(json.dumps(record))
    (scored / "sample.json").write_text("{}")
    register_model(path, model_name="net", score_result=scored)
    (folder_name,) = {name.rpartition("/")[0] for name in models.storage.uploads}
    assert sorted(models.storage.uploads) == [f"{folder_name}/{name}" for name in ("model.bin", "sample.json")]
    assert models.versions["net", "1"].path == f"azureml://datastores/workspaceblobstore/paths/{folder_name}"
    assert models.versions["net", "1"].tags == {"accuracy": "0.9000", "loss": "0.2500", "scored_images": "3"}
    assert register_model(path, model_name="net").version == "1"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_params_become_tags(models, folder, tmp_path, encoding):
    params = tmp_path / "params.json"
    params.write_text(json.dumps({"epochs": 3, "architecture": "lean", "shuffle": True}), encoding=encoding)
    register_model(folder(), model_name="net", params=params)
    assert models.versions["net", "1"].tags == {"epochs": "3", "architecture": "lean", "shuffle": "true"}


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": {"b": 1}}'])
def test_params_that_are_no_flat_object_are_refused(models, folder, tmp_path, text):
    params = tmp_path / "params.json"
    params.write_text(text)
    with pytest.raises(ModelError, match=r"params\.json"):
        register_model(folder(), model_name="net", params=params)


def refusal(status):
    return HttpResponseError(response=SimpleNamespace(status_code=status, reason="refused", text=lambda: ""))


def test_a_refusal_that_is_no_conflict_is_raised(models, folder):
    def refuse():
        raise refusal(400)

    models.before_next_put = refuse
    with pytest.raises(WorkspaceError, match="registering model net version 1"):
        register_model(folder(), model_name="net")
    assert not models.versions


def test_a_missing_role_is_no_conflict_though_the_version_is_taken_now(models, folder):
    def refuse():
        register_model(folder("other"), model_name="net")
        raise refusal(403)

    models.before_next_put = refuse
    with pytest.raises(CredentialsError, match="registering model net version 1"):
        register_model(folder(), model_name="net")


def test_no_file_is_hashed_twice(models, folder, tmp_path, monkeypatch):
    path = folder()
    write_check(tmp_path, CheckRecord(hash_files(path), 0.9, 0.25, 3))
    hashed, sha256 = [], model_folder.sha256
    monkeypatch.setattr(model_folder, "sha256", lambda path: hashed.append(path.name) or sha256(path))
    register_model(path, model_name="net", score_result=tmp_path)
    assert hashed == ["model.bin"]
