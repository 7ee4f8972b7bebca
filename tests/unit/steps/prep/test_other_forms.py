"""Prep of tables, MLTable folders, Parquet with images, NumPy archives, and archives of all forms."""

import io
import json
import shutil
import tarfile
import threading
import zipfile
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, settings
from hypothesis import given as drawn
from hypothesis import strategies as st

from kfp_azureml.imagesets import archives, packed_files
from kfp_azureml.imagesets.reader import open_image_set
from kfp_azureml.runtime.errors import DataError, OutputError
from pictures import encoded, noise, write_class_folders, write_picture
from step_calls import prep_data

COUNT = 20
ROWS = [(f"images/{name} {index}.png", name) for name in ("cat", "dog") for index in range(COUNT)]


@pytest.fixture
def outputs(tmp_path):
    return tmp_path / "out" / "training", tmp_path / "out" / "test"


@pytest.fixture
def root(tmp_path):
    """A folder images/ with 20 pictures of each of two classes, and no table."""
    for number, (path, _) in enumerate(ROWS):
        write_picture(tmp_path / "data" / path, number)
    return tmp_path / "data"


def pictures_by_class(outputs):
    """Return the pixels of all images by class name."""
    found = {}
    for folder in outputs:
        image_set = open_image_set(folder)
        for batch in image_set.batches(1000):
            for image, label in zip(batch.images, batch.labels, strict=True):
                found.setdefault(image_set.info.classes[label], set()).add(image.tobytes())
    return found


BOMB = "a: &a [x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in pairwise("abcdefgh")
)
EXPECTED = {
    name: {np.asarray(noise(number)).tobytes() for number, (_, label) in enumerate(ROWS) if label == name}
    for name in ("cat", "dog")
}


def refused(source, outputs, **given):
    with pytest.raises(DataError) as caught:
        prep_data(str(source), *outputs, **given)
    message = str(caught.value)
    assert "\n" not in message
    assert outputs[0].parent.exists() is False or list(outputs[0].parent.rglob("*")) == []
    return message


def write_table(path, rows, names=("path", "label")):
    records = [dict(zip(names, row, strict=True)) for row in rows]
    ending = path.suffix.lower()
    if ending == ".parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    elif ending == ".jsonl":
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    else:
        separator = {".csv": ",", ".tsv": "\t"}[ending]
        path.write_text("".join(separator.join(map(str, row)) + "\n" for row in (names, *rows)))
    return path


@pytest.mark.parametrize("name", ["images.csv", "images.TSV", "images.jsonl", "images.parquet"])
@pytest.mark.parametrize("names", [("path", "label"), ("File Name", "Class"), ("image_url", "label")])
def test_a_table_in_a_folder_or_by_itself(root, outputs, tmp_path, name, names, caplog):
    caplog.set_level("INFO")
    table = write_table(root / name, ROWS, names)
    prep_data(str(root), *outputs)
    assert pictures_by_class(outputs) == EXPECTED
    assert f"{root}: table {name}, 2 classes, split into" in caplog.text
    alone = tmp_path / "again" / "training", tmp_path / "again" / "test"
    (root / "other.csv").write_text("path,label\nnowhere.png,cat\n")
    prep_data(str(table), *alone)
    assert [(one / "images.parquet").read_bytes() for one in alone] == [
        (one / "images.parquet").read_bytes() for one in outputs
    ]


def test_a_semicolon_table_with_a_byte_order_mark_and_a_column_of_sets(root, outputs):
    lines = [f"{path};{label};{'test' if index % 4 == 0 else 'train'}" for index, (path, label) in enumerate(ROWS)]
    (root / "images.csv").write_text("filepaths;labels;data set\n" + "\n".join(lines), encoding="utf-8-sig")
    assert prep_data(str(root), *outputs).test_images == 10


def test_tables_of_both_sets_beside_one_of_something_else(root, outputs, caplog):
    caplog.set_level("INFO")
    write_table(root / "train.csv", ROWS[:15] + ROWS[25:])
    write_table(root / "test_labels.csv", ROWS[15:20])
    write_table(root / "test-more.csv", ROWS[20:25])
    write_table(root / "val.csv", ROWS)
    write_table(root / "prices.csv", [(1, 2)], ("euro", "cent"))
    result = prep_data(str(root), *outputs)
    assert (result.training_images, result.test_images) == (30, 10)
    assert "tables test-more.csv, test_labels.csv, train.csv, val.csv unused" in caplog.text


def test_a_table_beside_class_folders_goes_first_unless_it_is_another_table(tmp_path, outputs):
    folder = write_class_folders(tmp_path / "photos")
    write_table(folder / "prices.csv", [(1, 2)], ("euro", "cent"))
    assert prep_data(str(folder), *outputs).classes == ("cat", "dog")
    write_table(folder / "images.csv", [(f"cat/{i}.png", "odd" if i % 2 else "even") for i in range(30)])
    again = tmp_path / "again" / "training", tmp_path / "again" / "test"
    assert prep_data(str(folder), *again).classes == ("even", "odd")
    forced = tmp_path / "forced" / "training", tmp_path / "forced" / "test"
    assert prep_data(str(folder), *forced, input_format="folders").classes == ("cat", "dog")


def test_absolute_paths_file_addresses_and_backslashes(root, outputs):
    ways = (lambda path: str(root / path), lambda path: (root / path).as_uri(), lambda path: path.replace("/", "\\"))
    write_table(root / "images.jsonl", [(ways[index % 3](path), label) for index, (path, label) in enumerate(ROWS)])
    prep_data(str(root), *outputs)
    assert pictures_by_class(outputs) == EXPECTED


def test_azure_mls_json_lines_are_resolved_once_a_folder(root, outputs, monkeypatch):
    asked = []

    def locate(address, **names):
        asked.append(address)
        return str(root / "images")

    monkeypatch.setattr("kfp_azureml.azureml.data_references.locate", locate)
    address = "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/d/paths/pets"
    rows = [
        {"image_url": f"{address}/{quote(Path(path).name)}", "label": label, "image_details": {"format": "png"}}
        for path, label in ROWS
    ]
    (root / "train_annotations.jsonl").write_text("\n".join(map(json.dumps, rows)))
    prep_data(str(root), *outputs)
    assert pictures_by_class(outputs) == EXPECTED
    assert asked == [f"{address}/"]


def mltable(folder, paths, transformations=None):
    document = {"paths": paths, "transformations": transformations or []}
    (folder / "MLTable").write_text(yaml.safe_dump(document))


@pytest.mark.parametrize("path", [{"file": "./rows.jsonl"}, {"pattern": "./*.jsonl"}, {"folder": "."}])
def test_an_mltable_folder(root, outputs, path, caplog):
    caplog.set_level("INFO")
    write_table(root / "rows.jsonl", ROWS, ("image_url", "label"))
    convert = {"convert_column_types": [{"columns": "image_url", "column_type": "stream_info"}]}
    reader = {"read_json_lines": {"encoding": "utf8", "include_path_column": False}}
    mltable(root, [path], [reader, convert])
    prep_data(str(root), *outputs)
    assert pictures_by_class(outputs) == EXPECTED


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("paths: [", "MLTable: not YAML"),
        ("- 1", "not an MLTable file"),
        ("paths: []\ntransformations: 5", "not an MLTable file"),
        ("x: 2024-99-99", "MLTable: not YAML"),
        (f"{BOMB}paths: [*h]", "a path is [[[...], [...],"),
        (f"{BOMB}transformations: [*h]", "transformation [[[...], [...],"),
        ("paths: []", "names no tables"),
        ("paths: [{file: ../rows.jsonl}]", "../rows.jsonl is not in the MLTable's folder"),
        ("paths: [{glob: x}]", "a path is {'glob': 'x'}; expected a file, a folder or a pattern"),
        ("paths: [{file: gone.jsonl}]", "gone.jsonl: cannot be read"),
        ("paths: [{file: rows.jsonl}]\ntransformations: [{take: 5}]", "transformation take is not supported"),
    ],
)
def test_a_wrong_mltable(root, outputs, text, reason):
    write_table(root / "rows.jsonl", ROWS)
    (root / "MLTable").write_text(text)
    message = refused(root, outputs)
    assert reason in message
    assert str(root) in message


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("images.csv", "", "images.csv: the table is empty"),
        ("images.csv", "path,label\n", "the table is empty"),
        ("images.csv", "name,colour\n1,2\n", "columns are name, colour; expected one of image_url, path"),
        ("images.csv", "path,label\na.png,cat,1\n", "line 2: 3 values, but 2 columns in the header"),
        ("images.csv", "path,label\nimages/cat 0.png,cat\nimages/cat 0.png,dog\n", "has two labels, cat and dog"),
        ("images.csv", b"path,label\n\xff\xfe,cat\n", "not a text in UTF-8"),
        ("images.jsonl", "{", "line 1 is not JSON"),
        ("images.jsonl", "[1]", "line 1 is not a JSON object"),
        ("images.parquet", "PAR1", "not a Parquet file, or damaged"),
        ("images.csv", "path,label\nimages/cat 0.png,\n", "images/cat 0.png: no label in row 1 of images.csv"),
        ("images.csv", "path,label\n,cat\n", "images.csv, row 1: no path"),
        ("images.csv", "path,label\nimages/cat 0.png,cat\ngone.png,dog\n", "no images of"),
    ],
)
def test_a_wrong_table(root, outputs, name, text, reason):
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    message = refused(root / name, outputs)
    assert reason in message
    assert str(root) in message


@pytest.mark.parametrize(
    ("name", "begin"), [("images.jsonl", '{"path": "'), ("images.csv", ""), ("images.csv", "a,b\n")]
)
def test_a_table_without_line_ends_is_not_read_into_memory(root, outputs, name, begin):
    (root / name).write_text(begin + "x" * (16 * 2**20 + 1))
    line = 1 + begin.count("\n")
    assert f"{name}: line {line} is longer than 16 Mi characters" in refused(root / name, outputs)


def test_missing_files_of_a_table_are_bad_images(root, outputs):
    write_table(root / "images.csv", [*ROWS, ("gone.png", "cat")])
    assert f"{root}/gone.png: cannot be read (No such file or directory)" in refused(root, outputs)
    result = prep_data(str(root), *outputs, on_bad_image="skip")
    assert (result.training_images + result.test_images, result.skipped_images) == (40, 1)


def write_hugging_face(path, rows, names=("cat", "dog"), column="image"):
    """Write a Parquet file as the datasets library does."""
    table = pa.table(
        {
            column: pa.array(
                [{"bytes": data, "path": None} for data, _ in rows],
                pa.struct({"bytes": pa.binary(), "path": pa.string()}),
            ),
            "label": pa.array([label for _, label in rows], pa.int64()),
        }
    )
    features = {column: {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), path, row_group_size=7)


HUGGING_FACE = [(encoded(noise(number)), int(label == "dog")) for number, (_, label) in enumerate(ROWS)]


@pytest.mark.parametrize("folder", ["", "data", "split"])
def test_hugging_face_parquet(tmp_path, outputs, folder):
    root = tmp_path / "hub"
    for subset, rows in (("train", HUGGING_FACE[5:]), ("test", HUGGING_FACE[:5] + HUGGING_FACE[20:22])):
        for part in range(2):
            name = f"{subset}-0000{part}-of-00002.parquet"
            where = root / subset / f"000{part}.parquet" if folder == "split" else root / folder / name
            write_hugging_face(where, rows[part::2], ("Katze", "Hund"))
    result = prep_data(str(root), *outputs)
    assert (result.training_images, result.test_images, result.classes) == (35, 7, ("Katze", "Hund"))
    assert pictures_by_class(outputs) == {"Katze": EXPECTED["cat"], "Hund": EXPECTED["dog"]}
    assert result.duplicates == 2


def test_one_parquet_file_with_a_binary_column_and_texts_as_labels(tmp_path, outputs):
    rows = [{"img": data, "label": ("cat", "dog")[label]} for data, label in HUGGING_FACE]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "pets.parquet")
    prep_data(str(tmp_path / "pets.parquet"), *outputs)
    assert pictures_by_class(outputs) == EXPECTED


def test_wrong_parquet_files(tmp_path, outputs):
    write_hugging_face(tmp_path / "a" / "x.parquet", [*HUGGING_FACE, (b"", 0), (HUGGING_FACE[0][0], 7)])
    message = refused(tmp_path / "a", outputs)
    assert "x.parquet, row 42: label 7 is no class" in message
    result = prep_data(str(tmp_path / "a"), *outputs, on_bad_image="skip")
    assert result.skipped_images == 2
    again = tmp_path / "again" / "training", tmp_path / "again" / "test"
    assert "a set written by prep; train and score read it as it is" in refused(
        outputs[0], again, input_format="parquet"
    )
    write_hugging_face(tmp_path / "b" / "train.parquet", HUGGING_FACE)
    write_hugging_face(tmp_path / "b" / "test.parquet", HUGGING_FACE, ("dog", "cat"))
    assert "class names differ" in refused(tmp_path / "b", again)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "x.parquet").write_bytes(b"PAR1 no")
    assert "x.parquet: not a Parquet file" in refused(tmp_path / "c" / "x.parquet", again)
    pq.write_table(pa.table({"label": [1]}), tmp_path / "d.parquet")
    assert "columns are label" in refused(tmp_path / "d.parquet", again)


def arrays(shape=(8, 8, 3)):
    images = np.stack([np.asarray(noise(number)) for number in range(40)])[..., : shape[2]]
    return images if shape[2] > 1 else images[..., 0], np.repeat([0, 1], COUNT)


@pytest.mark.parametrize("channels", [1, 3])
def test_npz_of_keras(tmp_path, outputs, channels):
    images, labels = arrays((8, 8, channels))
    test = np.arange(40) % 4 == 0
    np.savez_compressed(
        tmp_path / "pets.npz",
        x_train=images[~test],
        y_train=labels[~test],
        x_test=images[test],
        y_test=labels[test, None],
    )
    result = prep_data(str(tmp_path / "pets.npz"), *outputs, class_names=["cat", "dog"])
    assert (result.training_images, result.test_images, result.image_shape) == (30, 10, (8, 8, channels))
    found = pictures_by_class(outputs)
    for label, name in enumerate(("cat", "dog")):
        assert found[name] == {image.tobytes() for image in images[labels == label]}
    again = tmp_path / "again" / "training", tmp_path / "again" / "test"
    assert prep_data(str(tmp_path / "pets.npz"), *again, image_size="4x6", channels=3).image_shape == (4, 6, 3)


def test_npz_of_one_set_in_a_folder(tmp_path, outputs):
    images, labels = arrays()
    (tmp_path / "npz").mkdir()
    np.savez(tmp_path / "npz" / "pets.npz", x=images, y=np.array(["cat", "dog"])[labels])
    prep_data(str(tmp_path / "npz"), *outputs)
    assert pictures_by_class(outputs) == EXPECTED


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ({"a": np.zeros(3)}, "arrays are a; expected x_train and y_train"),
        ({"x": np.zeros((3, 8, 8)), "y": np.zeros(3, int)}, "contains float64; only uint8 is supported"),
        ({"x": np.zeros((3, 8), np.uint8), "y": np.zeros(3, int)}, "shape is (3, 8)"),
        ({"x": np.zeros((3, 8, 8), np.uint8), "y": np.zeros(2, int)}, "2 labels in y for the 3 images of x"),
        ({"x": np.zeros((3, 8, 8), np.uint8), "y": np.zeros((3, 10))}, "expected one number or text per image"),
        ({"x": np.zeros((3, 8, 8), np.uint8), "y": np.array([{}, 1, 2], object)}, "pets.npz: "),
    ],
)
def test_a_wrong_npz(tmp_path, outputs, named, reason):
    np.savez(tmp_path / "pets.npz", **named)
    message = refused(tmp_path / "pets.npz", outputs)
    assert reason in message
    assert str(tmp_path) in message


def test_a_damaged_parquet_file_in_a_folder_is_named(tmp_path, outputs):
    (tmp_path / "pets" / "data").mkdir(parents=True)
    (tmp_path / "pets" / "data" / "train-0.parquet").write_bytes(b"PAR1" + bytes(100))
    assert "data/train-0.parquet: not a Parquet file, or damaged" in refused(tmp_path / "pets", outputs)


def test_a_damaged_npz(tmp_path, outputs):
    images, labels = arrays()
    np.savez(tmp_path / "pets.npz", x=images, y=labels)
    (tmp_path / "pets.npz").write_bytes((tmp_path / "pets.npz").read_bytes()[:3000])
    assert "pets.npz: not a NumPy archive, or damaged" in refused(tmp_path / "pets.npz", outputs)


FORMATS = {"zip": "zip", "tar": "tar", "tar.gz": "gztar", "tar.xz": "xztar"}


@pytest.mark.parametrize("ending", FORMATS)
def test_archives_of_class_folders(tmp_path, outputs, ending):
    folder = write_class_folders(tmp_path / "photos", COUNT)
    (folder / ".DS_Store").touch()
    made = Path(shutil.make_archive(str(tmp_path / "packed"), FORMATS[ending], tmp_path, "photos"))
    assert made.name == f"packed.{ending}"
    result = prep_data(str(made), *outputs)
    assert result.training_images + result.test_images == 2 * COUNT
    plain = tmp_path / "plain" / "training", tmp_path / "plain" / "test"
    prep_data(str(tmp_path / "photos"), *plain)
    for packed, unpacked in zip(outputs, plain, strict=True):
        assert (packed / "images.parquet").read_bytes() == (unpacked / "images.parquet").read_bytes()
    assert [path.name for path in outputs[0].parent.iterdir()] in (["training", "test"], ["test", "training"])


def test_archives_of_tables_idx_and_npz(root, tmp_path, outputs):
    write_table(root / "images.csv", ROWS)
    made = shutil.make_archive(str(tmp_path / "table"), "zip", root)
    prep_data(made, *outputs)
    assert pictures_by_class(outputs) == EXPECTED

    images, labels = arrays((8, 8, 1))
    (tmp_path / "idx").mkdir()
    for subset in ("train", "t10k"):
        (tmp_path / "idx" / f"{subset}-images-idx3-ubyte").write_bytes(
            bytes([0, 0, 8, 3, *(40).to_bytes(4, "big"), *(8).to_bytes(4, "big") * 2]) + images.tobytes()
        )
        (tmp_path / "idx" / f"{subset}-labels-idx1-ubyte").write_bytes(
            bytes([0, 0, 8, 1, *(40).to_bytes(4, "big")]) + labels.astype(np.uint8).tobytes()
        )
    made = shutil.make_archive(str(tmp_path / "idx"), "gztar", tmp_path / "idx")
    again = tmp_path / "again" / "training", tmp_path / "again" / "test"
    assert prep_data(made, *again).training_images == 40
    np.savez(tmp_path / "pets.npz", x=arrays()[0], y=labels)
    with zipfile.ZipFile(tmp_path / "npz.zip", "w") as archive:
        archive.write(tmp_path / "pets.npz", "pets.npz")
    last = tmp_path / "last" / "training", tmp_path / "last" / "test"
    prep_data(str(tmp_path / "npz.zip"), *last)
    assert Counter(map(len, pictures_by_class(last).values())) == {COUNT: 2}


def test_one_archive_in_a_folder_or_one_for_each_set(tmp_path, outputs):
    folder = write_class_folders(tmp_path / "photos", COUNT)
    (tmp_path / "one").mkdir()
    shutil.make_archive(str(tmp_path / "one" / "any name"), "zip", folder)
    result = prep_data(str(tmp_path / "one"), *outputs)
    assert result.training_images + result.test_images == 2 * COUNT
    (tmp_path / "two").mkdir()
    shutil.make_archive(str(tmp_path / "two" / "train"), "zip", folder)
    shutil.make_archive(str(tmp_path / "two" / "test"), "tar", tmp_path, "photos")
    again = tmp_path / "again" / "training", tmp_path / "again" / "test"
    assert prep_data(str(tmp_path / "two"), *again).test_images == 2 * COUNT
    shutil.make_archive(str(tmp_path / "two" / "other"), "tar", folder)
    last = tmp_path / "last" / "training", tmp_path / "last" / "test"
    assert "3 archives, such as other.tar; expected one, or train and test" in refused(tmp_path / "two", last)


def zip_of(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.mark.parametrize("name", ["../cat/1.png", "cat/../../1.png", "/cat/1.png", "..\\1.png"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_name_that_leads_outside_is_refused(tmp_path, outputs, name, kind):
    if kind == "zip":
        zip_of(tmp_path / "x.zip", {name: b"1"})
    else:
        with tarfile.open(tmp_path / "x.tar", "w") as archive:
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    message = refused(tmp_path / f"x.{kind}", outputs)
    assert f"x.{kind}: file name" in message
    assert "leads outside of the archive" in message


@pytest.mark.parametrize("name", ["d/" * 33 + "1.png", "d" * 4093 + ".png"])
def test_a_name_that_is_too_long_or_deep_for_any_image_set_is_refused(tmp_path, outputs, name):
    """A few megabytes of such names took all memory."""
    zip_of(tmp_path / "x.zip", {name: b"1"})
    assert "at most 4,096 and 32 are supported" in refused(tmp_path / "x.zip", outputs)


@pytest.mark.parametrize("header", [{"comment": "x" * (2 << 20)}, {"path": "x" * (2 << 20)}], ids=["pax", "name"])
def test_a_header_of_a_tar_archive_is_limited(tmp_path, outputs, header):
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("cat/1.png")
        member.pax_headers = header
        archive.addfile(member)
    assert "not an archive, or damaged (a header of 2,097,1" in refused(tmp_path / "x.tar.gz", outputs)


def test_a_table_in_an_archive_cannot_name_files_of_this_machine(root, tmp_path, outputs):
    """An archive comes from elsewhere."""
    for number, names in enumerate(([f"file://{root / path}" for path, _ in ROWS], [str(root / p) for p, _ in ROWS])):
        table = write_table(
            tmp_path / "rows.csv", [(name, label) for name, (_, label) in zip(names, ROWS, strict=True)]
        )
        zip_of(tmp_path / f"{number}.zip", {"rows.csv": table.read_bytes()})
        message = refused(tmp_path / f"{number}.zip", outputs)
        assert ("or it is in an archive" if number == 0 else "its path leads out of the folder") in message


def test_a_parquet_file_that_is_a_bomb(tmp_path, outputs, monkeypatch):
    """One large image in a dictionary, named by many rows."""
    monkeypatch.setattr(archives, "FREE_BYTES", 1 << 20)
    table = pa.table({"image": pa.array([bytes(1 << 20)] * 100, pa.binary()), "label": ["cat"] * 100})
    pq.write_table(table, tmp_path / "train.parquet", compression="zstd")
    assert "train.parquet: unpacks to more than 200 times its size" in refused(tmp_path / "train.parquet", outputs)


def test_links_in_an_archive_are_refused(tmp_path, outputs):
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE):
        with tarfile.open(tmp_path / "x.tar", "w") as archive:
            member = tarfile.TarInfo("cat/1.png")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        assert "cat/1.png is a link or a device" in refused(tmp_path / "x.tar", outputs)


def test_a_bomb_is_refused_while_it_unpacks(tmp_path, outputs, monkeypatch):
    monkeypatch.setattr(archives, "FREE_BYTES", 1 << 20)
    zip_of(tmp_path / "x.zip", {"cat/1.png": bytes(20 << 20)})
    assert "x.zip: unpacks to more than 200 times its size" in refused(tmp_path / "x.zip", outputs)
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("cat/1.png")
        member.size = 20 << 20
        archive.addfile(member, io.BytesIO(bytes(20 << 20)))
    assert "x.tar.gz: unpacks to more than 200 times its size" in refused(tmp_path / "x.tar.gz", outputs)


@pytest.mark.parametrize(("name", "size"), [("x.zip", 3000), ("x.tar", 3000), ("x.tar.gz", 3000), ("x.zip", 0)])
def test_a_truncated_archive(tmp_path, outputs, name, size):
    folder = write_class_folders(tmp_path / "photos", COUNT)
    shutil.make_archive(str(tmp_path / "x"), FORMATS[name.partition(".")[2]], folder)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:size])
    assert f"{name}: not an archive, or damaged" in refused(tmp_path / name, outputs)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@drawn(
    st.sampled_from(["x.zip", "x.tar", "x.tar.gz", "x.npz", "x.parquet", "x.csv", "x.jsonl"]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
    st.floats(0.2, 1),
)
def test_damaged_files_give_two_sets_or_one_line(tmp_path, name, changes, kept):
    whole = tmp_path / "whole"
    if not whole.exists():
        folder = write_class_folders(whole / "photos", 6)
        for kind in ("zip", "tar", "gztar"):
            shutil.make_archive(str(whole / "x"), kind, folder)
        images, labels = arrays()
        np.savez_compressed(whole / "x.npz", x=images, y=labels)
        write_hugging_face(whole / "x.parquet", HUGGING_FACE)
        rows = [(f"photos/{label}/{index}.png", label) for label in ("cat", "dog") for index in range(6)]
        for ending in ("csv", "jsonl"):
            write_table(whole / f"x.{ending}", rows)
    data = bytearray((whole / name).read_bytes())
    for place, value in changes:
        data[int(place * len(data))] = value
    (whole / "damaged").mkdir(exist_ok=True)
    if not (whole / "damaged" / "photos").exists():
        (whole / "damaged" / "photos").symlink_to(whole / "photos")
    (whole / "damaged" / name).write_bytes(data[: int(kept * len(data))])
    shutil.rmtree(whole / "out", ignore_errors=True)
    outputs = whole / "out/training", whole / "out/test"
    try:
        prep_data(str(whole / "damaged" / name), *outputs, on_bad_image="skip", max_bad_fraction=1.0, test_fraction=0.5)
    except DataError as error:
        message = str(error)
    else:
        message = ""
    if message:
        assert str(whole) in message
        assert "\n" not in message
        assert not outputs[0].parent.exists() or list(outputs[0].parent.iterdir()) == []
    else:
        assert all(open_image_set(folder).info.count for folder in outputs)


@pytest.fixture
def web(tmp_path, monkeypatch):
    """A web server of the folder `served`, and its address."""

    class QuietFiles(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "served").mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietFiles, directory=tmp_path / "served")) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_files_of_a_web_server(root, tmp_path, outputs, web):
    write_table(root / "images.csv", ROWS)
    shutil.make_archive(str(tmp_path / "served" / "x"), "zip", root)
    shutil.make_archive(str(tmp_path / "served" / "x"), "gztar", root)
    write_hugging_face(tmp_path / "served" / "x.parquet", HUGGING_FACE)
    np.savez(tmp_path / "served" / "x.npz", x=arrays()[0], y=np.array(["cat", "dog"])[arrays()[1]])
    for name in ("x.zip", "x.tar.gz", "x.parquet", "x.npz"):
        made = tmp_path / name / "training", tmp_path / name / "test"
        prep_data(f"{web}/{name}?signature=secret", *made)
        assert pictures_by_class(made) == EXPECTED


def test_addresses_in_a_table_keep_their_signature_to_themselves(root, tmp_path, outputs, web):
    shutil.copytree(root / "images", tmp_path / "served" / "images")
    rows = [(f"{web}/{path.replace(' ', '%20')}?sig=first", label) for path, label in ROWS]
    table = write_table(root / "images.csv", rows)
    prep_data(str(table), *outputs)
    assert pictures_by_class(outputs) == EXPECTED
    # Another signature moves no image.
    again = tmp_path / "again" / "training", tmp_path / "again" / "test"
    write_table(
        table, [(uri.replace("first", "other"), label) for uri, label in rows] + [(f"{web}/gone.png?sig=x", "cat")]
    )
    assert (
        refused(table, again)
        == f"{web}/gone.png: cannot be read (HTTP Error 404: File not found); remove it, or set on_bad_image to skip"
    )
    report = tmp_path / "report.html"
    prep_data(str(table), *again, on_bad_image="skip", output_report=report)
    assert (again[1] / "images.parquet").read_bytes() == (outputs[1] / "images.parquet").read_bytes()
    assert "/gone.png" in report.read_text()
    assert "sig=" not in report.read_text()


def test_a_full_disk_is_not_taken_for_a_damaged_archive(tmp_path, outputs, monkeypatch):
    made = shutil.make_archive(str(tmp_path / "x"), "zip", write_class_folders(tmp_path / "photos", COUNT))
    with Path("/dev/full").open("r+b", buffering=0) as full:
        monkeypatch.setattr(packed_files.tempfile, "TemporaryFile", lambda **_settings: full)
        with pytest.raises(OutputError, match=r"cannot write a temporary file beside the outputs: .*No space left"):
            prep_data(made, *outputs)


def test_class_folders_and_tables_in_an_object_store(root, outputs, tmp_path):
    store = fsspec.filesystem("memory")
    write_table(root / "images.csv", [*ROWS, ("../outside.png", "cat")])
    for path in root.rglob("*.*"):
        store.pipe(f"/{tmp_path.name}/pets/{path.relative_to(root)}", path.read_bytes())
    for number, (path, label) in enumerate(ROWS):
        store.pipe(f"/{tmp_path.name}/folders/{label}/{number}.png", (root / path).read_bytes())
    address = f"memory://{tmp_path.name}"
    prep_data(f"{address}/folders", *outputs)
    assert pictures_by_class(outputs) == EXPECTED
    for number, name in enumerate(("pets", "pets/images.csv")):
        again = tmp_path / str(number) / "training", tmp_path / str(number) / "test"
        assert "outside.png: its path leads out of the folder" in refused(f"{address}/{name}", again)
        prep_data(f"{address}/{name}", *again, on_bad_image="skip")
        assert pictures_by_class(again) == EXPECTED


@pytest.mark.parametrize("name", ["gone.zip", "gone.csv", "gone.npz"])
def test_a_file_that_does_not_exist(tmp_path, outputs, name):
    assert refused(tmp_path / name, outputs) == f"{tmp_path / name}: no such file"


def test_settings_of_encoded_images_are_refused_for_idx(tmp_path, outputs):
    (tmp_path / "idx").mkdir()
    for subset in ("train", "t10k"):
        images = bytes([0, 0, 8, 3, *(2).to_bytes(4, "big") * 3, *range(8)])
        (tmp_path / "idx" / f"{subset}-images-idx3-ubyte").write_bytes(images)
        (tmp_path / "idx" / f"{subset}-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 0, 1]))
    for given in ({"image_size": "32"}, {"channels": 3}):
        assert "idx files keep their size and channels" in refused(tmp_path / "idx", outputs, **given)
    assert prep_data(str(tmp_path / "idx"), *outputs).training_images == 2


def npz(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_npy", ".npy"), content)
    return path


def npy_header(shape, kind):
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"x": b"", "y": b""}, "arrays are none"),
        ({"x_npy": npy_header((2, -8, 8), "|u1"), "y_npy": npy_header((2,), "<i8") + bytes(16)}, "shape is (2, -8, 8)"),
        ({"x_npy": b"", "y_npy": npy_header((10**12,), "<i8")}, "an array is too large for the memory here"),
        ({"x_npy": b"", "y_npy": b"\x93NUMPY\x01\x00\x14\x00" + b"{" * 20}, "not a NumPy archive, or damaged"),
    ],
)
def test_a_hostile_npz(tmp_path, outputs, members, reason):
    assert reason in refused(npz(tmp_path / "pets.npz", **members), outputs)


def test_an_npz_that_is_a_bomb(tmp_path, outputs, monkeypatch):
    monkeypatch.setattr(archives, "FREE_BYTES", 1 << 20)
    path = npz(tmp_path / "pets.npz", x_npy=npy_header((9, 1000, 1000), "|u1") + bytes(9_000_000), y_npy=b"")
    assert "a decompression bomb?" in refused(path, outputs)


def test_paths_that_no_file_can_have(root, outputs):
    write_table(root / "rows.jsonl", [*ROWS, ("a\0b", "cat"), ("file://\ud800", "cat")])
    result = prep_data(str(root), *outputs, on_bad_image="skip", max_bad_fraction=0.5)
    assert result.skipped_images == 2


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("zip://{path}::file://{root}/pack.zip", "none of the schemes file, http, "),
        ("filecache::file://{root}/{path}", "none of the schemes file, http, "),
        ("local://{root}/{path}", "none of the schemes file, http, "),
        ("memory://{path}", "none of the schemes file, http, "),
        ("s3://bucket/x::file://{root}/{path}", "contains ::, which joins two addresses"),
    ],
)
def test_addresses_that_could_name_files_of_this_machine_unseen(root, outputs, address, reason):
    with zipfile.ZipFile(root / "pack.zip", "w") as archive:
        for path, _ in ROWS:
            archive.write(root / path, path)
    write_table(root / "rows.csv", [(address.format(root=root, path=path), label) for path, label in ROWS])
    assert reason in refused(root / "rows.csv", outputs)


def test_a_remote_table_cannot_name_files_of_this_machine(root, outputs):
    table = write_table(root / "rows.csv", [(f"file://{root / path}", label) for path, label in ROWS])
    memory = fsspec.filesystem("memory")
    memory.pipe("/hostile/rows.csv", table.read_bytes())
    assert "its address is one of this machine, but the table is not" in refused(
        "memory://hostile/rows.csv", outputs, test_fraction=0.5
    )
