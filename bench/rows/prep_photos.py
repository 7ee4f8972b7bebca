"""Prep of JPEG photographs in class folders, against Keras, Pillow, and the decoder alone."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.context import BASELINE, OURS, REPOSITORY, STEP, Context
from bench.costs import peak_rss
from bench.row import Goal, Row, at_most, compared
from bench.usage import Usage, measure

SCRIPTS = REPOSITORY / "bench" / "baselines"
SIDES = (32, 224)
REPEATS = 3
FACTOR = 20


def measure_prep_photos(context: Context) -> list[Row]:
    """Compare images per second of user CPU at each size, and memory with a multiple of the data."""
    count = context.scale.photos
    photos, few = (_photos(context, number) for number in (count, count // FACTOR))
    rows: list[Row] = []
    for side in SIDES:
        usages: dict[str, list[Usage]] = {"keras": [], "pillow": [], "decoder": [], "ours": [], "ours at 1x": []}
        for number in range(REPEATS):
            context.say(f"prep of photos at {side}x{side}, {number + 1} of {REPEATS}")
            pixels = context.work / "pixels"
            usages["keras"].append(measure([BASELINE, SCRIPTS / "keras_photos.py", photos, side]))
            usages["pillow"].append(measure([OURS, SCRIPTS / "pillow_photos.py", photos, side, pixels]))
            pixels.unlink()
            usages["decoder"].append(measure([OURS, SCRIPTS / "decode_photos.py", photos, side]))
            usages["ours"].append(_our_prep(context, photos, side))
            usages["ours at 1x"].append(_our_prep(context, few, side))
        rows += _rows(side, count, usages)
    shutil.rmtree(photos)
    return rows


def _rows(side: int, count: int, usages: dict[str, list[Usage]]) -> list[Row]:
    name = f"prep of photos at {side}x{side}"
    speeds = {who: [count / usage.user for usage in found] for who, found in usages.items()}
    return [
        compared(f"{name}: images per s of user CPU", "1/s", speeds[who], speeds["ours"], goal, f"baseline: {note}")
        for who, goal, note in (
            ("keras", Goal("ratio", "at least", 2), "image_dataset_from_directory, which writes nothing"),
            ("pillow", None, "a Pillow loop"),
            ("decoder", Goal("ratio", "at least", 0.8), "decoding and resizing alone"),
        )
    ] + [
        peak_rss(
            f"{name}, {FACTOR}x the data",
            usages["ours at 1x"],
            usages["ours"],
            at_most(1.2),
            note=f"baseline: ours with {count // FACTOR} photos",
        )
    ]


def _photos(context: Context, count: int) -> Path:
    folder = context.work / f"photos-{count}"
    if not folder.exists():
        measure([BASELINE, SCRIPTS / "make_photos.py", folder, count])
    return folder


def _our_prep(context: Context, photos: Path, side: int) -> Usage:
    output = context.work / "ours"
    shutil.rmtree(output, ignore_errors=True)
    return measure(
        [
            *(*STEP, "prep", "--input-data", photos, "--image-size", side),
            *("--training-data", output / "training", "--test-data", output / "test"),
        ]
    )
