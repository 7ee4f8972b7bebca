"""Broken image sets end in one line or in a valid result; damaged images never end the process silently.

Some examples, always the same ones; `make fuzz-prep` runs 2,000 others.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from contextlib import nullcontext

import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from broken_sets import FORMS, break_set, breakages
from kfp_azureml.imagesets.preprocessing import BadImageError, Preprocessing
from kfp_azureml.imagesets.reader import open_image_set
from kfp_azureml.runtime.errors import DataError
from kfp_azureml.runtime.terminal import one_line
from kfp_azureml.steps.prep import prep as prep_work
from kfp_azureml.steps.prep.decoding_processes import DecodingProcesses
from pictures import encoded, noise
from step_calls import prep_data

EXAMPLES = int(os.environ.get("FUZZ_SETS", "0"))
SAMPLE = 120
CHECKED = settings(
    max_examples=EXAMPLES or SAMPLE,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink),
)


@pytest.fixture(scope="module")
def processes():
    with DecodingProcesses() as processes:
        yield processes


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A set in each form."""
    folder = tmp_path_factory.mktemp("whole")
    for form, write in FORMS.items():
        write(folder / form)
    return folder


@pytest.fixture
def shared(monkeypatch, processes):
    """Prep with decoders that are there already."""
    monkeypatch.setattr(prep_work, "DecodingProcesses", lambda: nullcontext(processes))


def result_or_error(source, outputs, **given_settings):
    """Call prep; return its error, after checking that it is complete or has left nothing."""
    try:
        result = prep_data(str(source), *outputs, **given_settings)
    except DataError as error:
        message = one_line(str(error))
        assert str(source) in message or "image_size" in message, message
        assert message.isprintable(), message
        assert not outputs[0].parent.exists() or list(outputs[0].parent.iterdir()) == []
        return message
    counts = result.training_images, result.test_images
    for folder, count in zip(outputs, counts, strict=True):
        images = open_image_set(folder)
        assert images.info.count == count > 0
        assert images.info.shape == result.image_shape
        assert images.info.classes == result.classes
        assert sum(len(batch) for batch in images.batches(7)) == count
        assert set(images.read_labels()) == set(range(len(result.classes)))
    assert sorted(path.name for path in outputs[0].parent.iterdir()) == ["test", "training"]
    return ""


@pytest.mark.parametrize("form", FORMS)
def test_whole_sets_are_read(whole, shared, tmp_path, form):
    assert result_or_error(whole / form, (tmp_path / "out" / "training", tmp_path / "out" / "test")) == ""


def test_broken_sets(whole, shared, tmp_path):
    counts: Counter[str] = Counter()

    @CHECKED
    @given(
        form=st.sampled_from(sorted(FORMS)),
        broken=st.lists(breakages(), min_size=1, max_size=3),
        skip=st.sampled_from(("fail", "skip")),
        size=st.sampled_from(("", "6", "8x4")),
        forced=st.sampled_from(("", "", "", "folders", "table", "mltable", "parquet", "npz", "idx")),
    )
    def check(form, broken, skip, size, forced):
        place = tmp_path / "one"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(whole / form, place / "data")
        for name, arguments in broken:
            try:
                break_set(place / "data", name, arguments)
            except Exception:  # noqa: BLE001 - it is broken already
                counts["not applied"] += 1
        given_settings = {"on_bad_image": skip, "max_bad_fraction": 1.0, "image_size": size, "input_format": forced}
        if forced == "idx" or (form == "idx" and not forced):
            given_settings["image_size"] = ""
        message = result_or_error(
            place / "data", (place / "out" / "training", place / "out" / "test"), **given_settings
        )
        counts["error" if message else "result"] += 1

    check()
    print(dict(counts))  # noqa: T201 - for `make fuzz-prep`
    assert counts["error"]
    assert counts["result"]


PICTURES = [
    *(
        encoded(noise(1, (31, 17)), "JPEG", **more)
        for more in ({}, {"progressive": True}, {"quality": 5}, {"optimize": True})
    ),
    encoded(noise(2, (9, 40), "L"), "JPEG"),
    encoded(noise(2, (9, 40)).convert("CMYK"), "JPEG"),
    *(encoded(noise(3, (13, 12), mode)) for mode in ("RGB", "L", "RGBA", "LA", "P", "1")),
    encoded(Image.new("I;16", (8, 8), 40_000)),
    *(
        encoded(noise(4, (20, 20)), "WEBP", **more)
        for more in ({}, {"lossless": True}, {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"})
    ),
    encoded(noise(4), "WEBP", save_all=True, append_images=[noise(5)]),
    *(encoded(noise(5, (11, 12), mode), "BMP") for mode in ("RGB", "L", "P", "1")),
    encoded(noise(6, (10, 10)), "GIF"),
    encoded(noise(6), "GIF", save_all=True, append_images=[noise(7)]),
    *(
        encoded(noise(8, (24, 9)), "TIFF", compression=kind)
        for kind in (None, "tiff_lzw", "tiff_deflate", "jpeg", "packbits", "tiff_adobe_deflate")
    ),
    encoded(noise(8, (24, 9), "1"), "TIFF", compression="group4"),
]
MUTATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.floats(0, 1), st.integers(0, 255)),
        st.tuples(st.just("cut"), st.floats(0, 1), st.integers(1, 64)),
        st.tuples(st.just("insert"), st.floats(0, 1), st.binary(min_size=1, max_size=16)),
        st.tuples(st.just("repeat"), st.floats(0, 1), st.integers(1, 64)),
        st.tuples(st.just("end"), st.floats(0, 1), st.just(0)),
    ),
    min_size=1,
    max_size=6,
)


def mutated(data, mutations):
    for kind, place, value in mutations:
        # Most of what can be wrong is in the header.
        at = int(place**3 * len(data))
        match kind:
            case "set":
                data = data[:at] + bytes([value]) + data[at + 1 :]
            case "cut":
                data = data[:at] + data[at + value :]
            case "insert":
                data = data[:at] + value + data[at:]
            case "repeat":
                data = data[: at + value] + data[at:]
            case "end":
                data = data[:at]
    return data


def test_damaged_images(processes):
    counts: Counter[str] = Counter()

    @settings(CHECKED, max_examples=10 * EXAMPLES or 600)
    @given(
        picture=st.sampled_from(PICTURES),
        mutations=MUTATIONS,
        wanted=st.builds(
            Preprocessing,
            st.sampled_from((1, 8, 33)),
            st.sampled_from((1, 8, 50)),
            st.sampled_from((1, 3)),
            st.sampled_from(("pad", "crop", "stretch")),
        ),
    )
    def check(picture, mutations, wanted):
        data = mutated(picture, mutations)
        try:
            height, width, channels = processes.read_header(data)
            pixels = processes.decode(data, wanted)
        except BadImageError as error:
            reason = str(error)
        else:
            reason = ""
            assert min(height, width) > 0
            assert channels in (1, 3)
            assert len(pixels) == wanted.height * wanted.width * wanted.channels
        assert "\n" not in reason
        if "the decoder's process" in reason:
            counts["ended a process"] += 1
        else:
            counts["bad" if reason else "decoded"] += 1

    check()
    print(dict(counts))  # noqa: T201 - for `make fuzz-prep`
    assert counts["bad"]
    assert counts["decoded"]
    assert psutil.Process().children(recursive=True)  # the decoders are still there
