import json

import pytest

from kfp_azureml.models.model_folder import CheckRecord, Manifest, Tensor, hash_files, write_check, write_manifest
from kfp_azureml.runtime.errors import ModelError
from kfp_azureml.steps.aml_register_model.checks import check_model

INPUT = Tensor("images", (None, 4, 4, 1), "uint8")
OUTPUT = Tensor("probabilities", (None, 3), "float32")


def check(model, model_type, score_result=None):
    return check_model(model, hash_files(model), model_type, score_result)


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"network")
    write_manifest(folder, Manifest("tiny", INPUT, OUTPUT, "none", ("a", "b", "c"), {}, {}))
    return folder


@pytest.fixture
def scored(tmp_path, model):
    folder = tmp_path / "scored"
    folder.mkdir()
    write_check(folder, CheckRecord(hash_files(model), 0.91, 0.25, 100))
    return folder


def test_a_scored_model_passes(model, scored):
    assert check(model, "custom_model", scored).accuracy == 0.91


def test_a_model_of_any_make_passes_unscored(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.pkl").write_bytes(b"pickle")
    assert check(folder, "custom_model") is None


def test_an_altered_file_is_refused_scored_or_not(model, scored):
    (model / "model.onnx").write_bytes(b"another")
    for score_result in (scored, None):
        with pytest.raises(ModelError, match="modified"):
            check(model, "custom_model", score_result)


def test_a_model_trained_again_after_scoring_is_refused(model, scored):
    (model / "model.onnx").write_bytes(b"another")
    write_manifest(model, Manifest("tiny", INPUT, OUTPUT, "none", ("a", "b", "c"), {}, {}))
    with pytest.raises(ModelError, match="modified"):
        check(model, "custom_model", scored)


def test_a_file_that_was_not_scored_is_refused(model, scored):
    (model / "extra.bin").write_bytes(b"late")
    with pytest.raises(ModelError, match=r"extra\.bin added after the model was scored"):
        check(model, "custom_model", scored)


def test_a_file_that_nobody_has_recorded_is_refused(model):
    (model / "sample.json").write_text("{}")  # as in a registered model that was downloaded
    check(model, "custom_model")
    (model / "extra.txt").write_bytes(b"late")
    with pytest.raises(ModelError, match=r"model: extra\.txt is not recorded in model\.json"):
        check(model, "custom_model")


def test_what_was_added_and_then_scored_passes(model, tmp_path):
    (model / "extra.txt").write_bytes(b"of the user's own")
    write_check(tmp_path, CheckRecord(hash_files(model), 0.91, 0.25, 100))
    assert check(model, "custom_model", tmp_path).accuracy == 0.91


@pytest.mark.parametrize(
    "changed", [{"classes": ["c", "b", "a"]}, {"input": {"name": "images", "shape": [None, 8, 8, 1], "dtype": "uint8"}}]
)
def test_another_manifest_than_the_scored_one_is_refused(model, scored, changed):
    manifest = json.loads((model / "model.json").read_text())
    (model / "model.json").write_text(json.dumps(manifest | changed))
    with pytest.raises(ModelError, match=r"model\.json: modified"):
        check(model, "custom_model", scored)


def test_a_manifest_that_was_not_scored_is_refused(model, scored):
    record = json.loads((scored / "check.json").read_text())
    del record["files"]["model.json"]
    (scored / "check.json").write_text(json.dumps(record))
    with pytest.raises(ModelError, match=r"model\.json added after the model was scored"):
        check(model, "custom_model", scored)


@pytest.mark.parametrize("make", ["nothing", "empty", "file"])
def test_what_is_no_model_folder_is_refused(tmp_path, make):
    path = tmp_path / "model"
    if make == "empty":
        (path / "sub").mkdir(parents=True)
    if make == "file":
        path.write_text("x")
    with pytest.raises(ModelError, match="expected a model folder with files in it"):
        check(path, "custom_model")


def test_an_mlflow_model_needs_its_mlmodel_file(model):
    with pytest.raises(ModelError, match="MLmodel"):
        check(model, "mlflow_model")
    (model / "MLmodel").write_text("flavors: {}")
    check(model, "mlflow_model")


def test_a_triton_model_needs_its_layout(tmp_path):
    repository = tmp_path / "triton"
    (repository / "net" / "1").mkdir(parents=True)
    (repository / "net" / "config.pbtxt").write_text('name: "net"')
    with pytest.raises(ModelError, match="Triton repository"):
        check(repository, "triton_model")
    (repository / "net" / "1" / "model.onnx").write_bytes(b"network")
    check(repository, "triton_model")


def test_an_unknown_type_is_refused(model):
    with pytest.raises(ModelError, match="expected one of custom_model"):
        check(model, "pickle")


def test_an_mlflow_model_whose_data_is_a_link_is_whole(tmp_path):
    folder = tmp_path / "mlflow"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "model.keras").write_bytes(b"keras")
    (folder / "data").symlink_to("../elsewhere")
    assert check_model(folder, hash_files(folder), "mlflow_model", None) is None
    assert set(hash_files(folder)) == {"MLmodel", "data/model.keras"}


def test_a_git_lfs_pointer_is_not_registered(tmp_path):
    (tmp_path / "weights.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n")
    with pytest.raises(ModelError, match=r"weights\.bin: it looks like a Git LFS pointer, not the file itself: run"):
        check(tmp_path, "custom_model")
