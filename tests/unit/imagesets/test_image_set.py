"""Write and read image sets as Parquet and as the baseline's CSV."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfp_azureml.imagesets import pixel_csv
from kfp_azureml.imagesets.image_set import ImageSetInfo, images_per_group
from kfp_azureml.imagesets.parquet import write_parquet
from kfp_azureml.imagesets.pixel_csv import write_csv
from kfp_azureml.imagesets.preprocessing import Preprocessing
from kfp_azureml.imagesets.reader import open_image_set
from kfp_azureml.runtime.errors import DataError

GREY = (4, 4, 1)
CLASSES = ("bag", "boot", "coat")


def random_set(count, shape=GREY, classes=3, seed=13):
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, *shape), dtype=np.uint8)
    labels = random.integers(0, classes, count, dtype=np.uint8)
    labels[-1] = classes - 1
    return images, labels


def chunks(images, labels, size=5):
    for start in range(0, len(labels), size):
        yield images[start : start + size].tobytes(), labels[start : start + size].tobytes()


def read_all(image_set, batch_size):
    batches = list(image_set.batches(batch_size))
    assert {len(batch) for batch in batches[:-1]} <= {batch_size}
    assert 0 < len(batches[-1]) <= batch_size
    return np.concatenate([b.images for b in batches]), np.concatenate([b.labels for b in batches])


def refused(folder):
    with pytest.raises(DataError) as caught:
        list(open_image_set(folder).batches(10))
    message = str(caught.value)
    assert str(folder) in message
    assert "\n" not in message
    return message


@given(
    count=st.integers(1, 23),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4)),
    size=st.integers(1, 25),
    batch_size=st.integers(1, 25),
)
def test_parquet_round_trip(tmp_path_factory, count, shape, size, batch_size):
    folder = tmp_path_factory.mktemp("set")
    images, labels = random_set(count, shape)
    write_parquet(folder / "images.parquet", shape, CLASSES, chunks(images, labels, size))

    image_set = open_image_set(folder)
    assert image_set.info == ImageSetInfo(count, shape, CLASSES)
    read_images, read_labels = read_all(image_set, batch_size)
    np.testing.assert_array_equal(read_images, images)
    np.testing.assert_array_equal(read_labels, labels)
    np.testing.assert_array_equal(image_set.read_labels(), labels)
    shutil.rmtree(folder)


def test_the_preprocessing_is_read_and_must_be_the_same_in_all_parts(tmp_path):
    images, labels = random_set(2)
    pad, crop = (Preprocessing(*GREY, resize) for resize in ("pad", "crop"))
    for name in ("a", "b"):
        write_parquet(tmp_path / f"{name}.parquet", GREY, CLASSES, chunks(images, labels), pad.as_json())
    assert open_image_set(tmp_path).info == ImageSetInfo(4, GREY, CLASSES, pad)
    write_parquet(tmp_path / "b.parquet", GREY, CLASSES, chunks(images, labels), crop.as_json())
    assert "b.parquet: images were preprocessed differently from those of a.parquet" in refused(tmp_path)
    write_parquet(tmp_path / "a.parquet", GREY, CLASSES, chunks(images, labels), pad.as_json() | {"width": 5})
    assert "a.parquet: in the schema's metadata, preprocessing: width is 5; expected 4" in refused(tmp_path)


def test_parquet_groups_are_read_in_any_order(tmp_path):
    images, labels = random_set(17)
    write_parquet(tmp_path / "images.parquet", GREY, CLASSES, chunks(images, labels, 5))
    image_set = open_image_set(tmp_path)
    assert image_set.group_sizes == (5, 5, 5, 2)
    for group in (3, 0, 2, 0):
        batch = image_set.read_group(group)
        np.testing.assert_array_equal(batch.images, images[5 * group : 5 * group + 5])
        np.testing.assert_array_equal(batch.labels, labels[5 * group : 5 * group + 5])


def test_several_parquet_files_are_one_set_in_the_order_of_their_names(tmp_path):
    images, labels = random_set(20)
    for part, (start, end) in enumerate([(0, 7), (7, 7), (7, 8), (8, 20)]):
        path = tmp_path / f"part-{part:05}.snappy.parquet"
        write_parquet(path, GREY, CLASSES, chunks(images[start:end], labels[start:end], 5))
    (tmp_path / "_SUCCESS").touch()

    image_set = open_image_set(tmp_path)
    assert image_set.info.count == 20
    assert image_set.group_sizes == (5, 2, 1, 5, 5, 2)
    np.testing.assert_array_equal(image_set.read_group(2).images, images[7:8])
    np.testing.assert_array_equal(image_set.read_labels(), labels)
    np.testing.assert_array_equal(read_all(image_set, 6)[0], images)


def test_any_arrow_tool_can_read_the_parquet_file(tmp_path):
    images, labels = random_set(9)
    write_parquet(tmp_path / "images.parquet", GREY, CLASSES, chunks(images, labels))
    table = pq.read_table(tmp_path / "images.parquet")
    assert table.schema.field("image").type == pa.binary(16)
    assert table.schema.field("label").type == pa.uint8()
    assert json.loads(table.schema.metadata[b"image_shape"]) == [4, 4, 1]
    assert json.loads(table.schema.metadata[b"classes"]) == list(CLASSES)
    assert table["label"].to_pylist() == labels.tolist()
    assert b"".join(table["image"].to_pylist()) == images.tobytes()


@pytest.mark.parametrize(
    ("shape", "compression"), [((147, 147, 3), "UNCOMPRESSED"), ((148, 148, 3), "ZSTD"), ((256, 256, 1), "ZSTD")]
)
def test_large_images_are_compressed(tmp_path, shape, compression):
    images, labels = random_set(2, shape)
    write_parquet(tmp_path / "set.parquet", shape, CLASSES, chunks(images, labels))
    row_group = pq.read_metadata(tmp_path / "set.parquet").row_group(0)
    assert row_group.column(0).compression == compression
    assert row_group.column(1).compression == "UNCOMPRESSED"
    assert (read_all(open_image_set(tmp_path), 2)[0] == images).all()


def test_csv_is_byte_identical_to_formatting_each_value(tmp_path):
    images, labels = random_set(50, (16, 16, 1), classes=256)
    images[0] = np.arange(256).reshape(16, 16, 1)
    images[1:3] = [[[[0]]], [[[255]]]]
    write_csv(tmp_path / "mnist_train.csv", (16, 16, 1), chunks(images, labels, 7))
    lines = [
        ",".join(str(value) for value in [label, *image.ravel()]) for image, label in zip(images, labels, strict=True)
    ]
    assert (tmp_path / "mnist_train.csv").read_bytes() == "".join(f"{line}\n" for line in lines).encode()


@pytest.mark.parametrize("block_bytes", [1, 100, 1 << 20])
def test_csv_round_trip(tmp_path, monkeypatch, block_bytes):
    monkeypatch.setattr(pixel_csv, "BLOCK_BYTES", block_bytes)
    images, labels = random_set(23)
    write_csv(tmp_path / "mnist_test.csv", GREY, chunks(images, labels))

    image_set = open_image_set(tmp_path)
    assert image_set.info == ImageSetInfo(23, GREY, ("0", "1", "2"))
    assert sum(image_set.group_sizes) == 23
    assert (len(image_set.group_sizes) == 1) == (block_bytes == 1 << 20)
    read_images, read_labels = read_all(image_set, 4)
    np.testing.assert_array_equal(read_images, images)
    np.testing.assert_array_equal(read_labels, labels)
    np.testing.assert_array_equal(image_set.read_labels(), labels)
    last = len(image_set.group_sizes) - 1
    np.testing.assert_array_equal(image_set.read_group(last).labels, labels[-image_set.group_sizes[last] :])


@pytest.mark.parametrize("shape", [(4, 5, 1), (2, 2, 4)])
def test_csv_rejects_images_that_are_not_square_and_grey(tmp_path, shape):
    images, labels = random_set(3, shape)
    with pytest.raises(DataError, match="square grey images only"):
        write_csv(tmp_path / "mnist_train.csv", shape, chunks(images, labels))


def test_group_size_is_bounded_in_images_and_in_bytes():
    assert images_per_group((1, 1, 1)) == images_per_group((28, 28, 1)) == 2048
    assert images_per_group((224, 224, 3)) == (4 << 20) // (224 * 224 * 3)
    assert images_per_group((4096, 4096, 3)) == 1


def table_of(images=b"\0" * 32, labels=b"\0\1", image_type=None, **metadata):
    image_type = image_type or pa.binary(16)
    known = {"image_shape": "[4, 4, 1]", "classes": '["a", "b"]', **metadata}
    count = len(labels)
    cells = [images[16 * row : 16 * row + 16] for row in range(count)]
    table = pa.table({"image": pa.array(cells, image_type), "label": pa.array(list(labels), pa.uint8())})
    return table.replace_schema_metadata({key: value for key, value in known.items() if value})


NO_LABEL = table_of().drop_columns("label")
WIDE_LABEL = table_of().set_column(1, "label", pa.array([0, 1], pa.int64()))
NULL_LABEL = table_of().set_column(1, "label", pa.array([0, None], pa.uint8()))
NULL_IMAGE = table_of().set_column(0, "image", pa.array([None, bytes(16)], pa.binary(16)))


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (NO_LABEL, "columns are image; expected image and label"),
        (table_of(image_type=pa.binary()), "column image is binary; expected fixed-size binary"),
        (WIDE_LABEL, "column label is int64; expected uint8"),
        (NULL_LABEL, "rows without image or label"),
        (NULL_IMAGE, "rows without image or label"),
        (table_of(labels=b"\0\2"), "label 2, but only 2 classes in the metadata"),
        (table_of(image_shape=""), "no image_shape in the schema's metadata"),
        (table_of(classes=""), "no classes in the schema's metadata"),
        (table_of(image_shape="[4, 4]"), "unreadable image_shape or classes"),
        (table_of(image_shape="four"), "unreadable image_shape or classes"),
        (table_of(classes="7"), "unreadable image_shape or classes"),
        (table_of(image_shape="[4, 5, 1]"), "images have 16 bytes, but image_shape is (4, 5, 1)"),
        (table_of(image_shape="[-4, -4, 1]"), "image_shape is (-4, -4, 1)"),
        (table_of().slice(0, 0), "the image set is empty"),
    ],
)
def test_a_parquet_file_with_another_schema_is_rejected(tmp_path, table, reason):
    pq.write_table(table, tmp_path / "images.parquet")
    assert reason in refused(tmp_path)


def test_parts_with_different_metadata_are_rejected(tmp_path):
    pq.write_table(table_of(), tmp_path / "a.parquet")
    pq.write_table(table_of(classes='["a", "c"]'), tmp_path / "b.parquet")
    assert "b.parquet: image shape or classes differ from those of a.parquet" in refused(tmp_path)


def test_a_damaged_parquet_file_is_rejected(tmp_path):
    path = tmp_path / "images.parquet"
    path.write_bytes(b"")
    assert f"{path}: not a Parquet file: it looks like an empty file" in refused(tmp_path)

    write_parquet(path, GREY, CLASSES, chunks(*random_set(50)))
    content = bytearray(path.read_bytes())
    path.write_bytes(content[:-10])
    assert f"{path}: not a Parquet file, or damaged" in refused(tmp_path)

    content[60] ^= 1  # one pixel of the first page: only its checksum can tell
    path.write_bytes(content)
    assert f"{path}: not a Parquet file, or damaged" in refused(tmp_path)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 12345\n", "a Git LFS pointer"),
        (b"<!DOCTYPE html><title>Sign in</title>", "an HTML page"),
    ],
)
def test_the_actual_kind_of_a_parquet_file_is_reported(tmp_path, content, kind):
    (tmp_path / "images.parquet").write_bytes(content)
    assert f"images.parquet: not a Parquet file: it looks like {kind}" in refused(tmp_path)


READ_WITH_FEW_FILES = """
import resource, sys
import numpy as np
from kfp_azureml.imagesets.preprocessing import Preprocessing
from kfp_azureml.imagesets.reader import open_image_set
from kfp_azureml.steps.train.batches import Split

resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
images = open_image_set(sys.argv[1])
assert len(images.group_sizes) == 60, images.group_sizes
assert len(images.read_labels()) == 120
assert sum(map(len, images.batches(7))) == 120
split = Split(images, 0.1, 13)
assert 0 < split.validation_count < 120
assert sum(map(len, split.training_batches(1, np.random.default_rng(13)))) == 120 - split.validation_count
assert sum(map(len, split.validation_batches(9))) == split.validation_count
"""


def test_more_parts_than_the_limit_of_open_files_are_read(tmp_path):
    for part in range(60):
        write_parquet(tmp_path / f"part-{part:03}.parquet", GREY, CLASSES, chunks(*random_set(2, seed=part)))
    done = subprocess.run([sys.executable, "-c", READ_WITH_FEW_FILES, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


READ_WITH_NO_FILE_LEFT = """
import os, resource, sys
from pathlib import Path
import pyarrow.parquet, json
from kfp_azureml.imagesets.parquet import open_parquet

resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
try:
    while True:
        os.open("/dev/null", os.O_RDONLY)
except OSError:
    open_parquet([Path(sys.argv[1])])
"""


def test_a_system_error_is_not_reported_as_damage(tmp_path):
    write_parquet(tmp_path / "a.parquet", GREY, CLASSES, chunks(*random_set(2)))
    command = [sys.executable, "-c", READ_WITH_NO_FILE_LEFT, tmp_path / "a.parquet"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].endswith("a.parquet: cannot be read (Too many open files)")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the file is empty"),
        ("7\n", "0 pixels per line are not a square image"),
        ("7,1,2,3\n", "3 pixels per line are not a square image"),
        ("7,1,2,3,4\n3,1,2\n", "Expected 5 columns, got 3"),
        ("7,1,2,3,4\n3,1,2,3,256\n", "256"),
        ("7,1,2,3,4\n3,1,2,,4\n", "conversion error"),
        ("7,1,2,3,4\n3,1,2,x,4\n", "'x'"),
        ("7,1,2,3,4\n\n", "after line 0: a label is not a number from 0 to 255"),
        ("label,1x1,1x2,2x1,2x2\n7,1,2,3,4\n", "after line 0: a label is not a number from 0 to 255"),
        ("256,1,2,3,4\n", "a label is not a number from 0 to 255"),
        ("<html><body>404", "not a CSV file of pixels: it looks like an HTML page ('<html><body>404')"),
        ("version https://git-lfs.github.com/spec/v1\noid", "looks like a Git LFS pointer"),
    ],
)
def test_a_damaged_csv_file_is_rejected(tmp_path, text, reason):
    (tmp_path / "mnist_train.csv").write_text(text)
    message = refused(tmp_path)
    assert "mnist_train.csv" in message
    assert reason in message


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([], "no .parquet and no .csv file"),
        (["a.txt"], "no .parquet and no .csv file"),
        (["a.csv", "b.csv"], "more than one CSV file"),
        (["a.csv", "b.parquet"], "both Parquet and CSV"),
    ],
)
def test_a_folder_without_exactly_one_image_set_is_rejected(tmp_path, names, reason):
    for name in names:
        (tmp_path / name).touch()
    assert reason in refused(tmp_path)


@pytest.mark.parametrize("name", ["images.parquet", "mnist_train.csv"])
def test_what_other_tools_leave_beside_the_data_is_passed_over(tmp_path, name):
    images, labels = np.zeros((2, 784), np.uint8).tobytes(), bytes(2)
    if name.endswith("csv"):
        write_csv(tmp_path / name, (28, 28, 1), [(images, labels)])
    else:
        write_parquet(tmp_path / name, (28, 28, 1), ["a"], [(images, labels)])
    for left in (f"._{name}", f".{name}.crc", "_SUCCESS", f"_{name}"):
        (tmp_path / left).write_bytes(b"Mac OS X")
    assert open_image_set(tmp_path).info.count == 2


@pytest.mark.parametrize("name", ["images.parquet", "mnist_train.csv"])
def test_a_folder_under_a_files_name_is_one_line(tmp_path, name):
    """As Spark writes a set: the parts in a folder of the name that was given."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "part-0").write_bytes(b"x")
    with pytest.raises(DataError, match=f"{name}: a folder, expected a file"):
        open_image_set(tmp_path)


def test_a_missing_folder_is_rejected(tmp_path):
    assert "no such folder" in refused(tmp_path / "none")


@pytest.mark.parametrize("inner", ["label=1", "year=2026/label=1"])
@pytest.mark.parametrize("beside", [True, False])
def test_parts_in_subfolders_are_not_skipped_silently(tmp_path, inner, beside):
    (tmp_path / inner).mkdir(parents=True)
    for folder in (tmp_path / inner, *([tmp_path] if beside else [])):
        write_parquet(folder / "part-0.parquet", GREY, CLASSES, chunks(*random_set(5)))
    assert refused(tmp_path) == (
        f"{tmp_path / inner}/part-0.parquet: Parquet files in subfolders are not supported: "
        f"move all parts into {tmp_path}"
    )


@pytest.mark.parametrize("inner", ["_delta_log", ".ipynb_checkpoints", "_temporary/0"])
def test_folders_of_engines_are_skipped(tmp_path, inner):
    (tmp_path / inner).mkdir(parents=True)
    for folder in (tmp_path, tmp_path / inner):
        write_parquet(folder / "part-0.parquet", GREY, CLASSES, chunks(*random_set(5)))
    assert open_image_set(tmp_path).info.count == 5
