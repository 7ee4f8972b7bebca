"""Small image sets in every form that prep reads, and what can be wrong with them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from hypothesis import strategies as st
from PIL import Image

from pictures import encoded, noise, write_picture

CLASSES = ("cat", "dog")
SUBSETS = {"train": 3, "test": 2}
SIDE = 8

Row = dict[str, Any]


def rows() -> list[tuple[Row, Image.Image]]:
    """Return the images of a set, with their path, class and subset."""
    return [
        (
            {"path": f"images/{subset} {name} {index}.png", "label": name, "split": subset},
            noise(1000 * label + 100 * count + index, (SIDE, SIDE)),
        )
        for subset, count in SUBSETS.items()
        for label, name in enumerate(CLASSES)
        for index in range(count)
    ]


def write_files(folder: Path) -> list[Row]:
    """Write the images, and return the rows of their table."""
    for row, image in rows():
        path = folder / row["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(image))
    return [row for row, _ in rows()]


def write_folders(folder: Path) -> None:
    """Class folders in train and test."""
    for subset, count in SUBSETS.items():
        for label, name in enumerate(CLASSES):
            for index in range(count):
                write_picture(folder / subset / name / f"{index}.png", 1000 * label + 100 * count + index)


def write_csv(folder: Path, delimiter: str = ",", name: str = "images.csv") -> None:
    """A CSV table of paths, classes and subsets."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, ["path", "label", "split"], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(write_files(folder))
    (folder / name).write_text(stream.getvalue())


def write_tsv(folder: Path) -> None:
    """A table with tabs."""
    write_csv(folder, "\t", "images.tsv")


def write_json_lines(folder: Path) -> None:
    """JSON Lines, with the columns of Azure ML."""
    lines = [
        json.dumps({"image_url": row["path"], "label": row["label"], "split": row["split"]})
        for row in write_files(folder)
    ]
    (folder / "images.jsonl").write_text("\n".join(lines) + "\n")


def write_mltable(folder: Path) -> None:
    """An MLTable folder with JSON Lines."""
    write_json_lines(folder)
    document = {"paths": [{"file": "./images.jsonl"}], "transformations": [{"read_json_lines": {}}]}
    (folder / "MLTable").write_text(yaml.safe_dump(document))


def write_table_parquet(folder: Path) -> None:
    """A Parquet table of paths."""
    pq.write_table(pa.Table.from_pylist(write_files(folder)), folder / "images.parquet")


def write_image_parquet(folder: Path) -> None:
    """Parquet files with the images inside, with class names in Hugging Face's metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    features = {"image": {"_type": "Image"}, "label": {"names": list(CLASSES), "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    for subset in SUBSETS:
        table = pa.table(
            {
                "image": [
                    {"bytes": encoded(image), "path": row["path"]} for row, image in rows() if row["split"] == subset
                ],
                "label": [CLASSES.index(row["label"]) for row, _ in rows() if row["split"] == subset],
            }
        )
        pq.write_table(table.replace_schema_metadata(metadata), folder / f"{subset}-00000-of-00001.parquet")


def write_npz(folder: Path) -> None:
    """A NumPy archive as Keras ships its data sets."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for subset in SUBSETS:
        chosen = [(row, image) for row, image in rows() if row["split"] == subset]
        arrays[f"x_{subset}"] = np.stack([np.asarray(image) for _, image in chosen])
        arrays[f"y_{subset}"] = np.array([CLASSES.index(row["label"]) for row, _ in chosen])
    np.savez(folder / "images.npz", **arrays)


def write_idx(folder: Path) -> None:
    """The four idx files, two of them gzipped."""
    folder.mkdir(parents=True, exist_ok=True)
    for subset, prefix in (("train", "train"), ("test", "t10k")):
        chosen = [(row, image.convert("L")) for row, image in rows() if row["split"] == subset]
        pixels = struct.pack(">IIII", 0x803, len(chosen), SIDE, SIDE) + b"".join(image.tobytes() for _, image in chosen)
        labels = struct.pack(">II", 0x801, len(chosen)) + bytes(CLASSES.index(row["label"]) for row, _ in chosen)
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(pixels)
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))


def write_zip(folder: Path) -> None:
    """Class folders in a zip archive."""
    inner = folder / "inner"
    write_folders(inner)
    with zipfile.ZipFile(folder / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(inner.rglob("*.png")):
            archive.write(path, path.relative_to(inner))
    shutil.rmtree(inner)


def write_tar(folder: Path) -> None:
    """A table and its images in a tar.gz archive."""
    inner = folder / "inner"
    write_csv(inner)
    with tarfile.open(folder / "images.tar.gz", "w:gz") as archive:
        for path in sorted(inner.iterdir()):
            archive.add(path, path.name)
    shutil.rmtree(inner)


FORMS: dict[str, Callable[[Path], None]] = {
    "folders": write_folders,
    "csv": write_csv,
    "tsv": write_tsv,
    "jsonl": write_json_lines,
    "mltable": write_mltable,
    "table parquet": write_table_parquet,
    "image parquet": write_image_parquet,
    "npz": write_npz,
    "idx": write_idx,
    "zip": write_zip,
    "tar": write_tar,
}

TEXTS = (
    *(
        "",
        " ",
        "\n",
        "\x00",
        "\x1b[2Jcat\x07",
        "cat\r\ndog",
        "\u202egnp.tac",
        "\U0001f431",
        "a" * 300,
        "é",
        "e\u0301",
        "CAT",
    ),
    *(
        "..",
        "../../etc/passwd",
        "/etc/passwd",
        "/proc/self/environ",
        "/dev/zero",
        "/dev/stdin",
        "\\\\server\\share\\a.png",
    ),
    *(
        "C:\\a.png",
        "a:b",
        "~",
        "*",
        "%",
        "%2e%2e/x",
        "images",
        "images/",
        "./images/train cat 0.png",
        "-1",
        "1.5",
        "1e999",
    ),
    *(
        "file:///etc/passwd",
        "file://",
        "local:///etc/passwd",
        "zip://a::file:///etc/passwd",
        "filecache::file:///etc/passwd",
    ),
    *(
        "memory://a/b.png",
        "http://",
        "http://[",
        "s3://",
        "abfss://",
        "ftp:///x",
        "unknown://x/y.png",
        "azureml:",
        "://",
        "data:,x",
    ),
    *("azureml://datastores/x/paths/y.png", "NaN", "null", "true"),
)
VALUES: tuple[Any, ...] = (
    *(
        *TEXTS,
        None,
        True,
        -1,
        0,
        1,
        2,
        2**70,
        1.5,
        float("nan"),
        float("inf"),
        [],
        ["cat"],
        {},
        {"bytes": "x"},
        b"\xff",
    ),
)
PARTS = st.floats(0, 1, allow_nan=False)


@st.composite
def breakages(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Draw the name of a breakage and its arguments."""
    name = draw(st.sampled_from(sorted(BREAKAGES)))
    arguments = {key: draw(strategy) for key, strategy in BREAKAGES[name][1].items()}
    return name, arguments


def break_set(folder: Path, name: str, arguments: dict[str, Any]) -> None:
    """Break a set in a folder."""
    BREAKAGES[name][0](folder, **arguments)


def _some_file(folder: Path, which: float) -> Path:
    """Return a file; tables and other files beside the images as often as images."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    others = [path for path in files if path.suffix != ".png"]
    chosen = others if others and which < 0.5 else files
    return chosen[min(int(which * 2 % 1 * len(chosen)), len(chosen) - 1)]


def _truncate(folder: Path, which: float, part: float) -> None:
    path = _some_file(folder, which)
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])


def _flip(folder: Path, which: float, places: list[tuple[float, int]]) -> None:
    path = _some_file(folder, which)
    data = bytearray(path.read_bytes())
    for place, value in places:
        if data:
            data[min(int(place * len(data)), len(data) - 1)] ^= value
    path.write_bytes(data)


def _insert(folder: Path, which: float, part: float, data: bytes) -> None:
    path = _some_file(folder, which)
    old = path.read_bytes()
    path.write_bytes(old[: int(part * len(old))] + data + old[int(part * len(old)) :])


def _remove(folder: Path, which: float) -> None:
    _some_file(folder, which).unlink()


def _exchange(folder: Path, which: float, other: float) -> None:
    one, two = _some_file(folder, which), _some_file(folder, other)
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def _replace(folder: Path, which: float, by: str) -> None:
    path = _some_file(folder, which)
    path.unlink()
    if by == "folder":
        path.mkdir()
    elif by == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"loop": path.name, "parent": "..", "broken": "nowhere", "device": "/dev/null"}[by])


def _rename(folder: Path, which: float, name: str) -> None:
    path = _some_file(folder, which)
    target = path.parent / (name.replace("/", "_").replace("\x00", "_")[:80] or "_")
    if not target.exists():
        path.rename(target)


def _stray(folder: Path, inside: float, name: str, data: bytes) -> None:
    folders = [folder, *sorted(path for path in folder.rglob("*") if path.is_dir())]
    target = folders[min(int(inside * len(folders)), len(folders) - 1)] / (
        name.replace("/", "_").replace("\x00", "_")[:80] or "_"
    )
    if not target.exists():
        target.write_bytes(data)


def _linked_folder(folder: Path, inside: float, to: str) -> None:
    folders = [folder, *sorted(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())]
    link = folders[min(int(inside * len(folders)), len(folders) - 1)] / "link"
    link.symlink_to({"parent": "..", "self": ".", "loop": "link", "root": "/proc/self"}[to])


def _move_class(folder: Path, which: float) -> None:
    """Remove all images of a class or a set."""
    folders = sorted(path for path in folder.rglob("*") if path.is_dir())
    if folders:
        shutil.rmtree(folders[min(int(which * len(folders)), len(folders) - 1)])


def _edit_table(folder: Path, edit: Callable[[list[Row]], None]) -> None:
    """Change the rows of a table as a program that writes it would."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.suffix in (".csv", ".tsv"):
            delimiter = "," if path.suffix == ".csv" else "\t"
            found = [dict(row) for row in csv.DictReader(io.StringIO(path.read_text()), delimiter=delimiter)]
            edit(found)
            stream = io.StringIO()
            names = list(dict.fromkeys(str(name) for row in found for name in row))
            writer = csv.writer(stream, delimiter=delimiter)
            writer.writerow(names)
            writer.writerows([[row.get(name, "") for name in names] for row in found])
            path.write_text(stream.getvalue(), errors="replace")
        elif path.suffix == ".jsonl":
            found = [json.loads(line) for line in path.read_text().splitlines()]
            edit(found)
            path.write_text("".join(json.dumps(row, default=repr) + "\n" for row in found))
        elif path.suffix == ".parquet":
            table = pq.read_table(path)
            found = table.to_pylist()
            edit(found)
            try:
                changed = pa.Table.from_pylist(found)
            except (pa.ArrowException, OverflowError, UnicodeError):  # no such column
                continue
            pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)


def _set_value(folder: Path, column: float, row: float, value: Any, everywhere: bool) -> None:
    def edit(found: list[Row]) -> None:
        for number, one in enumerate(found):
            if everywhere or number == int(row * len(found)):
                name = sorted(one, key=str)[min(int(column * len(one)), len(one) - 1)]
                one[name] = value

    _edit_table(folder, edit)


def _drop_column(folder: Path, column: float) -> None:
    def edit(found: list[Row]) -> None:
        for one in found:
            del one[sorted(one, key=str)[min(int(column * len(one)), len(one) - 1)]]

    _edit_table(folder, edit)


def _rename_column(folder: Path, column: float, name: str) -> None:
    def edit(found: list[Row]) -> None:
        for one in found:
            one[name] = one.pop(sorted(one, key=str)[min(int(column * len(one)), len(one) - 1)])

    _edit_table(folder, edit)


def _keep_rows(folder: Path, part: float) -> None:
    _edit_table(folder, lambda found: found.__delitem__(slice(int(part * len(found)), None)))


def _set_arrays(folder: Path, kind: str, which: float) -> None:
    for path in sorted(path for path in folder.rglob("*.npz") if path.is_file()):  # no pipes
        with np.load(path) as archive:
            arrays = dict(archive)
        name = sorted(arrays)[min(int(which * len(arrays)), len(arrays) - 1)]
        array = arrays.pop(name)
        changed: dict[str, Any] = {
            "float": array.astype(float),
            "flat": array.reshape(-1),
            "short": array[:-1],
            "object": np.array([{}] * len(array), dtype=object),
            "text": array.astype(str),
            "fortran": np.asfortranarray(array),
            "scalar": np.uint8(1),
            "empty": array[:0],
            "complex": array.astype(complex),
            "huge labels": array.astype(np.int64) * 2**40,
        }
        if kind in changed:
            arrays[name] = changed[kind]
        np.savez(path, **arrays)


def _write_mltable(folder: Path, text: str) -> None:
    (folder / "MLTable").write_text(text)


BREAKAGES: dict[str, tuple[Callable[..., None], dict[str, st.SearchStrategy[Any]]]] = {
    "truncate": (_truncate, {"which": PARTS, "part": PARTS}),
    "flip": (
        _flip,
        {"which": PARTS, "places": st.lists(st.tuples(PARTS, st.integers(1, 255)), min_size=1, max_size=8)},
    ),
    "insert": (_insert, {"which": PARTS, "part": PARTS, "data": st.binary(min_size=1, max_size=40)}),
    "remove": (_remove, {"which": PARTS}),
    "exchange": (_exchange, {"which": PARTS, "other": PARTS}),
    "replace": (
        _replace,
        {"which": PARTS, "by": st.sampled_from(("folder", "pipe", "loop", "parent", "broken", "device"))},
    ),
    "rename": (_rename, {"which": PARTS, "name": st.sampled_from(TEXTS)}),
    "stray": (
        _stray,
        {
            "inside": PARTS,
            "name": st.sampled_from((*TEXTS, "a.csv", "a.npz", "a.zip", "a.parquet", "MLTable", "a.jsonl", "x.png")),
            "data": st.binary(max_size=40),
        },
    ),
    "link": (_linked_folder, {"inside": PARTS, "to": st.sampled_from(("parent", "self", "loop", "root"))}),
    "class": (_move_class, {"which": PARTS}),
    "value": (
        _set_value,
        {"column": PARTS, "row": PARTS, "value": st.sampled_from(VALUES), "everywhere": st.booleans()},
    ),
    "drop column": (_drop_column, {"column": PARTS}),
    "rename column": (_rename_column, {"column": PARTS, "name": st.sampled_from((*TEXTS, "label", "path", "image"))}),
    "rows": (_keep_rows, {"part": PARTS}),
    "arrays": (
        _set_arrays,
        {
            "which": PARTS,
            "kind": st.sampled_from(
                (
                    *("float", "flat", "short", "object", "text", "fortran", "scalar", "empty", "complex"),
                    *("huge labels", "missing"),
                )
            ),
        },
    ),
    "mltable": (
        _write_mltable,
        {
            "text": st.sampled_from(
                (
                    *(
                        "",
                        "[]",
                        "a: [",
                        "paths: 1",
                        "paths: [1]",
                        "paths: [{file: ../x}]",
                        "paths: [{file: /etc/passwd}]",
                    ),
                    *("paths: [{pattern: '*'}]", "paths: [{folder: .}]", "paths: [{file: images.jsonl, folder: x}]"),
                    *(
                        "paths: [{file: 'azureml://datastores/x/paths/y'}]",
                        "paths: [{file: missing.csv}]",
                        "\x00",
                        "&a [*a]",
                    ),
                    *("paths: [{file: images.jsonl}]\ntransformations: [take: 1]", "!!python/object:os.system {}"),
                )
            )
        },
    ),
}
"""Functions that break the set in a folder, with strategies of their arguments."""
