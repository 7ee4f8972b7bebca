"""Score: metrics against a reference, written files, rejected inputs."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from onnx import numpy_helper

from kfp_azureml.models.model_folder import ONNX_FILE, hash_files, read_check, read_manifest, write_manifest
from kfp_azureml.runtime.errors import DataError, ModelError
from kfp_azureml.steps.command import component_command
from kfp_azureml.steps.score.score import score_model

from .conftest import CLASSES, SHAPE, expected_probabilities

Images = tuple[np.ndarray, np.ndarray]
MakeSet = Callable[..., Path]


def test_metrics_match_a_reference(
    model_folder: Path, make_set: MakeSet, random_images: Images, tmp_path: Path
) -> None:
    images, labels = random_images
    result = score_model(make_set(images, labels), model_folder, tmp_path / "result", output_report=None)

    probabilities = expected_probabilities(images)
    predicted = probabilities.argmax(axis=1)
    confusion = [[sum((labels == row) & (predicted == column)) for column in range(3)] for row in range(3)]
    assert result.confusion == tuple(map(tuple, confusion))
    assert result.accuracy == pytest.approx((predicted == labels).mean(), abs=1e-12)
    assert result.loss == pytest.approx(-np.log(probabilities[np.arange(333), labels]).mean(), rel=1e-6)
    assert (result.images, result.classes) == (333, CLASSES)


def test_the_loss_is_clipped_as_in_keras(model_folder: Path, make_set: MakeSet, tmp_path: Path) -> None:
    graph = onnx.load(model_folder / ONNX_FILE)
    weights = numpy_helper.to_array(graph.graph.initializer[0]) * 100  # makes every answer 0 or 1
    graph.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, "weights"))
    onnx.save(graph, model_folder / ONNX_FILE)
    write_manifest(model_folder, read_manifest(model_folder))
    images = np.zeros((2, *SHAPE), np.uint8)
    images[:, 0, 0] = 255

    result = score_model(make_set(images, [0, 1]), model_folder, tmp_path / "result", output_report=None)
    right, wrong = -np.log(np.float32(1 - 1e-7)), -np.log(1e-7)
    assert result.loss == pytest.approx((right + wrong) / 2, rel=1e-5)


def test_predictions_are_in_the_order_of_the_set(
    model_folder: Path, make_set: MakeSet, random_images: Images, tmp_path: Path
) -> None:
    images, labels = random_images
    score_model(make_set(images, labels), model_folder, tmp_path / "result", output_report=None)
    table = pq.read_table(tmp_path / "result" / "predictions.parquet")
    assert str(table.schema.field("probabilities").type) == "fixed_size_list<element: float>[3]"
    assert table["index"].to_pylist() == list(range(333))
    assert table["label"].to_pylist() == labels.tolist()
    probabilities = np.array(table["probabilities"].to_pylist())
    np.testing.assert_allclose(probabilities, expected_probabilities(images), atol=1e-6)
    assert table["predicted"].to_pylist() == probabilities.argmax(axis=1).tolist()


def test_predict_result_has_the_format_of_the_original_example(
    model_folder: Path, make_set: MakeSet, random_images: Images, tmp_path: Path
) -> None:
    images, labels = random_images
    score_model(make_set(images, labels), model_folder, tmp_path / "result", output_report=None)
    np.savetxt(tmp_path / "expected", expected_probabilities(images).argmax(axis=1).astype(float))
    written = (tmp_path / "result" / "predict_result.csv").read_bytes()
    assert written == (tmp_path / "expected").read_bytes()
    assert written.startswith((b"0.000000000000000000e+00\n", b"1.0000", b"2.0000"))


def test_the_check_record_has_the_hashes_of_the_scored_files(
    model_folder: Path, make_set: MakeSet, random_images: Images, tmp_path: Path
) -> None:
    result = score_model(make_set(*random_images), model_folder, tmp_path / "result", output_report=None)
    check = read_check(tmp_path / "result")
    assert check.files == hash_files(model_folder)
    assert check.files.keys() == {"model.json", "model.keras", "model.onnx"}
    assert (check.accuracy, check.loss, check.images) == (result.accuracy, result.loss, 333)


def test_the_sample_is_evenly_spaced_and_has_predictions(
    model_folder: Path, make_set: MakeSet, random_images: Images, tmp_path: Path
) -> None:
    images, labels = random_images
    score_model(make_set(images, labels), model_folder, tmp_path / "result", output_report=None)
    sample = json.loads((tmp_path / "result" / "sample.json").read_text())
    rows = [index * 333 // 100 for index in range(100)]
    assert sample["shape"] == list(SHAPE)
    assert [base64.b64decode(image) for image in sample["images"]] == [images[row].tobytes() for row in rows]
    assert sample["labels"] == labels[rows].tolist()
    expected = expected_probabilities(images[rows])
    assert sample["predicted"] == expected.argmax(axis=1).tolist()
    np.testing.assert_allclose(sample["probabilities"], expected, atol=1e-6)


def test_a_small_set_is_its_own_sample(model_folder: Path, make_set: MakeSet, tmp_path: Path) -> None:
    score_model(make_set(np.zeros((3, *SHAPE)), [0, 1, 2]), model_folder, tmp_path / "result", output_report=None)
    assert json.loads((tmp_path / "result" / "sample.json").read_text())["labels"] == [0, 1, 2]


def test_a_modified_model_is_rejected(
    model_folder: Path, make_set: MakeSet, random_images: Images, tmp_path: Path
) -> None:
    (model_folder / "model.keras").write_bytes(b"something else")
    with pytest.raises(ModelError, match=r"model\.keras: modified \(sha256 differs"):
        score_model(make_set(*random_images), model_folder, tmp_path / "result", output_report=None)
    assert not (tmp_path / "result").exists()


def test_a_model_without_onnx_is_rejected(
    model_folder: Path, make_set: MakeSet, random_images: Images, tmp_path: Path
) -> None:
    (model_folder / "model.onnx").unlink()
    write_manifest(model_folder, read_manifest(model_folder))
    with pytest.raises(ModelError, match=r"the manifest lists no model\.onnx"):
        score_model(make_set(*random_images), model_folder, tmp_path / "result", output_report=None)


def test_nan_probabilities_are_rejected(
    model_folder: Path, make_set: MakeSet, random_images: Images, tmp_path: Path
) -> None:
    graph = onnx.load(model_folder / ONNX_FILE)
    graph.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.full((4, 3), np.nan, np.float32), "weights"))
    onnx.save(graph, model_folder / ONNX_FILE)
    write_manifest(model_folder, read_manifest(model_folder))
    with pytest.raises(ModelError, match="probabilities are NaN or infinite"):
        score_model(make_set(*random_images), model_folder, tmp_path / "result", output_report=None)
    assert {path.name for path in tmp_path.iterdir()} == {"model", "images"}


def test_images_of_another_size_are_refused(model_folder: Path, make_set: MakeSet, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="images are 3x2x1; the model expects 2x2x1"):
        score_model(make_set(np.zeros((2, 3, 2, 1)), [0, 1]), model_folder, tmp_path / "result", output_report=None)


@pytest.mark.parametrize("classes", [("zero", "two", "one"), ("zero", "one"), ("0", "1", "2", "3")])
def test_other_classes_are_rejected(
    model_folder: Path, make_set: MakeSet, tmp_path: Path, classes: tuple[str, ...]
) -> None:
    with pytest.raises(DataError, match=f"classes are {', '.join(classes)}; the model expects zero, "):
        score_model(
            make_set(np.zeros((2, *SHAPE)), [0, 1], classes), model_folder, tmp_path / "result", output_report=None
        )


def test_numbers_will_do_as_names_of_the_first_classes(model_folder: Path, make_set: MakeSet, tmp_path: Path) -> None:
    result = score_model(
        make_set(np.zeros((2, *SHAPE)), [0, 1], ("0", "1")), model_folder, tmp_path / "result", output_report=None
    )
    assert result.classes == CLASSES


def test_the_step_needs_no_tensorflow_and_reports_to_the_supervisor(
    model_folder: Path, make_set: MakeSet, random_images: Images, tmp_path: Path
) -> None:
    arguments = [
        *("kfp-azureml", "step", "score"),
        f"--input-data={make_set(*random_images)}",
        f"--input-model={model_folder}",
        f"--output-result={tmp_path / 'result'}",
        f"--report={tmp_path / 'report'}",
    ]
    program = (
        f"import sys\nsys.argv = {arguments!r}\nfrom kfp_azureml.cli import main\n"
        "try: main()\n"
        "finally: print(sorted({'tensorflow', 'keras', 'kfp.compiler', 'pandas'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"KFP_AZUREML_EVENTS": str(tmp_path / "events")},
    )
    assert done.stderr.splitlines()[-1] == "[]"
    assert "<h1>Score report</h1>" in (tmp_path / "report").read_text()
    events = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    (results,) = [event["results"] for event in events if event["event"] == "result"]
    check = read_check(tmp_path / "result")
    sample = str(tmp_path / "result" / "sample.json")
    page = str(tmp_path / "report")
    assert results == {"accuracy": check.accuracy, "loss": check.loss, "sample": sample, "score_page": page}


def test_a_missing_set_is_one_line(model_folder: Path, tmp_path: Path) -> None:
    missing = str(tmp_path / "nothing")
    options = ["--input-data", missing, "--input-model", str(model_folder), "--outputs", str(tmp_path / "result")]
    done = CliRunner().invoke(component_command("score"), options)
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1].startswith(f"score: {missing}: no such folder")


JUNK = b"\x08\x07\x12junk"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n"


def junk(folder: Path) -> None:
    (folder / ONNX_FILE).write_bytes(JUNK * 100)


def pointer(folder: Path) -> None:
    (folder / ONNX_FILE).write_bytes(POINTER)


def empty(folder: Path) -> None:
    (folder / ONNX_FILE).write_bytes(b"")


def truncated(folder: Path) -> None:
    content = (folder / ONNX_FILE).read_bytes()
    (folder / ONNX_FILE).write_bytes(content[: len(content) // 2])


def altered(change: Callable[[onnx.ModelProto], object]) -> Callable[[Path], None]:
    def alter(folder: Path) -> None:
        model = onnx.load(folder / ONNX_FILE)
        change(model)
        onnx.save(model, folder / ONNX_FILE)

    return alter


def rename_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = model.graph.node[-1].output[0] = "other"


def rename_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = model.graph.node[0].input[0] = "other"


def take_floats(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT


def take_three_dimensions(model: onnx.ModelProto) -> None:
    del model.graph.input[0].type.tensor_type.shape.dim[3]


def take_larger_images(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 3
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.zeros((6, 3), np.float32), "weights"))


def take_one_image(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def answer_four_classes(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.zeros((4, 4), np.float32), "weights"))
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    model.graph.output[0].type.tensor_type.ClearField("shape")


def answer_logits(model: onnx.ModelProto) -> None:
    del model.graph.node[-1]
    model.graph.node[-1].output[0] = "probabilities"
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.full((4, 3), -1, np.float32), "weights"))


def keep_weights_elsewhere(model: onnx.ModelProto) -> None:
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../gone.bin")


def use_an_unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[-1].op_type = "NoSuchOperator"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (junk, "ONNX Runtime cannot run it: "),
        (pointer, "ONNX Runtime cannot run it: it looks like a Git LFS pointer"),
        (empty, "ONNX Runtime cannot run it: it looks like an empty file"),
        (truncated, "ONNX Runtime cannot run it: "),
        (altered(rename_output), "its outputs are 'other'; the manifest names 'probabilities'"),
        (altered(rename_input), "its inputs are 'other'; the manifest names 'image'"),
        (altered(take_floats), "input 'image' is float32 [None, 2, 2, 1]; the manifest says uint8 [None, 2, 2, 1]"),
        (altered(take_three_dimensions), "input 'image' is uint8 [None, 2, 2]; the manifest says"),
        (altered(take_larger_images), "input 'image' is uint8 [None, 3, 2, 1]; the manifest says"),
        (altered(take_one_image), "input 'image' is uint8 [1, 2, 2, 1]; the manifest says"),
        (altered(answer_four_classes), "output 'probabilities' is float32 [None, 4]; the manifest says"),
        (altered(answer_logits), "output is not probabilities ("),
        (altered(keep_weights_elsewhere), "ONNX Runtime cannot run it: "),
        (altered(use_an_unknown_operator), "ONNX Runtime cannot run it: "),
    ],
)
def test_an_incompatible_or_damaged_network_is_reported_in_one_line(
    model_folder: Path,
    make_set: MakeSet,
    random_images: Images,
    tmp_path: Path,
    damage: Callable[[Path], None],
    said: str,
) -> None:
    damage(model_folder)
    write_manifest(model_folder, read_manifest(model_folder))
    with pytest.raises(ModelError) as refused:
        score_model(make_set(*random_images), model_folder, tmp_path / "result", output_report=None)
    assert str(refused.value).startswith(f"{model_folder}/model.onnx: {said}")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "result").exists()
