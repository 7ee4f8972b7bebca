"""Prep: convert idx files into two image sets, completely or not at all."""

import functools
import gzip
import struct
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from kfp_azureml.imagesets import image_set
from kfp_azureml.imagesets.reader import open_image_set
from kfp_azureml.imagesets.source import open_source
from kfp_azureml.runtime.errors import DataError, OutputError
from kfp_azureml.steps.command import component_command
from kfp_azureml.steps.prep.result import PrepResult
from step_calls import prep_data

SHAPE = (4, 4)
TRAINING, TEST = 20, 7
TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def idx_bytes(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def random_arrays(shape=SHAPE, classes=3):
    random = np.random.default_rng(13)
    arrays = {}
    for subset, count in (("train", TRAINING), ("t10k", TEST)):
        arrays[f"{subset}-images-idx{1 + len(shape)}-ubyte"] = random.integers(0, 256, (count, *shape), dtype=np.uint8)
        labels = random.integers(0, classes, count, dtype=np.uint8)
        labels[-1] = classes - 1
        arrays[f"{subset}-labels-idx1-ubyte"] = labels
    return arrays


def write_files(folder, arrays):
    folder.mkdir()
    for name, array in arrays.items():
        (folder / name).write_bytes(idx_bytes(array))


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    monkeypatch.setattr(image_set, "GROUP_IMAGES", 6)


@pytest.fixture
def arrays():
    return random_arrays()


@pytest.fixture
def source(tmp_path, arrays):
    write_files(tmp_path / "idx", arrays)
    return tmp_path / "idx"


@pytest.fixture
def outputs(tmp_path):
    return tmp_path / "out" / "training", tmp_path / "out" / "test"


def assert_written(outputs, arrays, classes=("0", "1", "2")):
    for folder, subset in zip(outputs, ("train", "t10k"), strict=True):
        images, labels = (array for name, array in arrays.items() if name.startswith(subset))
        written = open_image_set(folder)
        assert written.info.classes == classes
        (batch,) = written.batches(100)
        np.testing.assert_array_equal(batch.images, images.reshape(batch.images.shape))
        np.testing.assert_array_equal(batch.labels, labels)


def assert_nothing_left(outputs):
    left = list(outputs[0].parent.rglob("*")) if outputs[0].parent.exists() else []
    assert left == []


def test_both_sets_are_written_as_parquet(source, arrays, outputs):
    result = prep_data(str(source), *outputs)
    assert result == PrepResult(TRAINING, TEST, (4, 4, 1), ("0", "1", "2"))
    assert_written(outputs, arrays)
    assert [[path.name for path in folder.iterdir()] for folder in outputs] == [["images.parquet"], ["images.parquet"]]
    assert open_image_set(outputs[0]).group_sizes == (6, 6, 6, 2)


def test_both_sets_are_written_as_csv_with_the_baselines_names(source, arrays, outputs):
    prep_data(str(source), *outputs, output_format="csv")
    assert_written(outputs, arrays)
    names = [[path.name for path in folder.iterdir()] for folder in outputs]
    assert names == [["mnist_train.csv"], ["mnist_test.csv"]]


def test_class_names_are_written(source, arrays, outputs):
    names = ("bag", "boot", "coat", "never seen")
    assert prep_data(str(source), *outputs, class_names=names).classes == names
    assert_written(outputs, arrays, names)


def test_gzipped_files_give_the_same_bytes(source, outputs, tmp_path):
    prep_data(str(source), *outputs)
    for path in list(source.iterdir()):
        (source / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    zipped = tmp_path / "training", tmp_path / "test"
    prep_data(str(source), *zipped)
    for one, other in zip(outputs, zipped, strict=True):
        assert (one / "images.parquet").read_bytes() == (other / "images.parquet").read_bytes()


def test_files_are_read_from_a_web_server(source, arrays, outputs, monkeypatch):
    class QuietFiles(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (source / TRAIN_IMAGES).rename(source / "train-images.idx3-ubyte")
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietFiles, directory=source)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            prep_data(f"http://127.0.0.1:{server.server_port}", *outputs)
        finally:
            server.shutdown()
            thread.join()
    assert_written(outputs, arrays)


@pytest.mark.parametrize("shape", [(5, 3), (6, 4, 3), (1, 1)])
def test_any_shape_and_number_of_classes_is_accepted(tmp_path, outputs, shape):
    arrays = random_arrays(shape, classes=256)
    write_files(tmp_path / "idx", arrays)
    result = prep_data(str(tmp_path / "idx"), *outputs)
    assert result.image_shape == (*shape, 1)[:3]
    assert_written(outputs, arrays, tuple(str(label) for label in range(256)))


def test_empty_output_folders_are_accepted(source, arrays, outputs):
    for folder in outputs:
        folder.mkdir(parents=True)
    prep_data(str(source), *outputs)
    assert_written(outputs, arrays)


def cut(size):
    return lambda path: path.write_bytes(path.read_bytes()[:size])


def add(extra):
    return lambda path: path.write_bytes(path.read_bytes() + extra)


def put(array):
    return lambda path: path.write_bytes(idx_bytes(array))


def swap_with(other):
    def swap(path):
        mine, theirs = path.read_bytes(), path.with_name(other).read_bytes()
        path.write_bytes(theirs)
        path.with_name(other).write_bytes(mine)

    return swap


LABELS = np.zeros(TEST, np.uint8)


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        (TRAIN_IMAGES, cut(-1), "truncated"),
        (TRAIN_LABELS, cut(-1), "truncated"),
        (TEST_IMAGES, cut(-1), "truncated"),
        (TEST_LABELS, cut(3), "not an idx file"),
        (TRAIN_IMAGES, add(b"\0"), "trailing bytes"),
        (TEST_IMAGES, add(b"\0"), "trailing bytes"),
        (TEST_LABELS, add(b"\0"), "trailing bytes"),
        (TEST_IMAGES, lambda path: path.unlink(), "not found (looked for"),
        (TRAIN_LABELS, lambda path: path.unlink(), "not found (looked for"),
        (TRAIN_IMAGES, swap_with(TRAIN_LABELS), "swapped"),
        (TEST_IMAGES, swap_with(TEST_LABELS), "swapped"),
        (TEST_LABELS, put(LABELS[1:]), "6 labels for the 7 images"),
        (TEST_LABELS, put(LABELS + 3), "label 3, but only the 3 classes 0 to 2 are in the training set"),
        (TEST_IMAGES, put(np.zeros((TEST, 4, 5), np.uint8)), "images are 4x5x1, but 4x4x1 in"),
        (TEST_IMAGES, lambda path: path.write_bytes(gzip.compress(path.read_bytes())[:-12]), "gzip"),
    ],
)
@pytest.mark.parametrize("output_format", ["parquet", "csv"])
def test_damaged_data_is_reported_in_one_line_and_nothing_is_written(
    source, outputs, name, damage, reason, output_format
):
    damage(source / name)
    with pytest.raises(DataError) as caught:
        prep_data(str(source), *outputs, output_format=output_format)
    message = str(caught.value)
    assert name in message
    assert str(source) in message
    assert reason in message
    assert "\n" not in message
    assert_nothing_left(outputs)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"output_format": "json"}, "output_format is 'json'; expected parquet or csv"),
        ({"class_names": ["bag", "boot"]}, "label 2, but only the 2 classes 0 to 1 are named"),
        ({"class_names": ["bag", "boot", "bag"]}, "class_names contains bag more than once"),
    ],
)
def test_invalid_settings_are_rejected(source, outputs, settings, reason):
    with pytest.raises(DataError, match=reason):
        prep_data(str(source), *outputs, **settings)
    assert_nothing_left(outputs)


def test_csv_of_colour_images_is_rejected(tmp_path, outputs):
    write_files(tmp_path / "idx", random_arrays((5, 3)))
    with pytest.raises(DataError, match="square grey images only"):
        prep_data(str(tmp_path / "idx"), *outputs, output_format="csv")
    assert_nothing_left(outputs)


@pytest.mark.parametrize("test_name", ["same", "same/test", "."])
def test_nested_or_equal_output_folders_are_rejected(source, tmp_path, test_name):
    with pytest.raises(DataError, match="must be separate folders"):
        prep_data(str(source), tmp_path / "same", tmp_path / test_name)
    assert not (tmp_path / "same").exists()


def test_a_non_empty_output_folder_is_rejected_and_left_unchanged(source, outputs):
    outputs[1].mkdir(parents=True)
    (outputs[1] / "mine").touch()
    with pytest.raises(OutputError, match="not an empty folder"):
        prep_data(str(source), *outputs)
    assert not outputs[0].exists()
    assert [path.name for path in outputs[1].iterdir()] == ["mine"]


def test_an_unwritable_output_is_reported_in_one_line(source, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        prep_data(str(source), tmp_path / "file" / "training", tmp_path / "file" / "test")


def arguments(source, outputs):
    files = {"input-data": source, "training-data": outputs[0], "test-data": outputs[1], "report": f"{source}.html"}
    return [word for name, path in files.items() for word in (f"--{name}", str(path))]


def test_the_command_writes_both_sets(source, arrays, outputs):
    options = ["--class-names", '["bag", "boot", "coat"]']
    done = CliRunner().invoke(component_command("prep"), [*arguments(source, outputs), *options])
    assert done.exit_code == 0, done.output
    assert_written(outputs, arrays, ("bag", "boot", "coat"))


def test_the_command_fails_in_one_line(source, outputs):
    (source / TEST_LABELS).unlink()
    command = [Path(sys.executable).with_name("kfp-azureml"), "step", "prep", *arguments(source, outputs)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"prep: {source}: {TEST_LABELS} not found")
    assert_nothing_left(outputs)


def test_the_command_tells_a_wrong_value(source, outputs):
    done = CliRunner().invoke(component_command("prep"), [*arguments(source, outputs), "--output-format", "json"])
    assert done.exit_code == 1
    assert "output_format is 'json'" in done.output
    assert_nothing_left(outputs)


def test_an_azure_ml_name_is_resolved_and_read_with_credentials(source, outputs, arrays, monkeypatch):
    asked, opened = [], []

    def locate(address, **names):
        asked.append((address, names))
        return str(source)

    def open_and_note(uri, **options):
        opened.append((uri, options))
        return open_source(uri, **options)

    monkeypatch.setattr("kfp_azureml.azureml.data_references.locate", locate)
    monkeypatch.setattr("kfp_azureml.imagesets.input_formats.open_source", open_and_note)
    names = {"resource_group": "g", "workspace": "w", "subscription_id": "s"}
    prep_data("azureml:flowers:3", *outputs, **names)
    assert_written(outputs, arrays)
    assert asked == [("azureml:flowers:3", names)]
    assert opened == [(str(source), {"use_azure_credentials": True})]
