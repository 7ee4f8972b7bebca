"""Prep of class folders: what is found, the split, sizes, dirt, duplicates and the report."""

import json
import os
import re
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from kfp_azureml.imagesets import image_set
from kfp_azureml.imagesets.reader import open_image_set
from kfp_azureml.runtime.errors import DataError
from kfp_azureml.steps.prep.split import position
from pictures import encoded, noise, write_class_folders, write_picture
from step_calls import prep_data

JPEG = encoded(noise(1, (64, 64)), "JPEG")


@pytest.fixture
def outputs(tmp_path):
    return tmp_path / "out" / "training", tmp_path / "out" / "test"


@pytest.fixture
def folders(tmp_path):
    return write_class_folders(tmp_path / "photos")


@pytest.fixture
def halves(tmp_path):
    """Class folders in train and test, 3 and 2 images a class."""
    for subset, count in (("train", 3), ("test", 2)):
        for label, name in enumerate(("cat", "dog")):
            for index in range(count):
                write_picture(tmp_path / "photos" / subset / name / f"{index}.png", 1000 * label + 100 * count + index)
    return tmp_path / "photos"


def sets(outputs):
    return [next(iter(open_image_set(folder).batches(10_000))) for folder in outputs]


def refused(source, outputs, **given):
    with pytest.raises(DataError) as caught:
        prep_data(str(source), *outputs, **given)
    message = str(caught.value)
    assert str(source) in message
    assert "\n" not in message
    assert list(outputs[0].parent.rglob("*")) == []
    return message


def test_train_and_test_folders_are_kept(halves, outputs, caplog):
    caplog.set_level("INFO")
    result = prep_data(str(halves), *outputs)
    assert (result.training_images, result.test_images) == (6, 4)
    assert (result.image_shape, result.classes) == ((8, 8, 3), ("cat", "dog"))
    found = f"{halves}: class folders in train and test, 2 classes, with 6 training and 4 test images"
    assert found in caplog.messages
    for batch, subset in zip(sets(outputs), ("train", "test"), strict=True):
        for label, name in enumerate(("cat", "dog")):
            expected = {np.asarray(Image.open(path)).tobytes() for path in (halves / subset / name).iterdir()}
            assert {image.tobytes() for image in batch.images[batch.labels == label]} == expected


@pytest.mark.parametrize("name", ["val", "validation", "Valid", "TEST"])
def test_names_of_the_test_set(halves, outputs, name):
    (halves / "test").rename(halves / name)
    (halves / "train").rename(halves / "Training")
    assert prep_data(str(halves), *outputs).test_images == 4


def test_a_test_set_goes_before_a_validation_set(halves, outputs, caplog):
    caplog.set_level("INFO")
    shutil.copytree(halves / "train", halves / "val")
    assert prep_data(str(halves), *outputs).test_images == 4
    assert "class folders in train and test, val unused" in caplog.text


def test_train_alone_is_split(folders, tmp_path, outputs):
    folders.rename(tmp_path / "train")
    (tmp_path / "all").mkdir()
    (tmp_path / "train").rename(tmp_path / "all" / "train")
    assert prep_data(str(tmp_path / "all"), *outputs).test_images > 0


def test_one_folder_around_and_folders_below_a_class(tmp_path, outputs):
    write_class_folders(tmp_path / "photos" / "unpacked" / "photos")
    cats = tmp_path / "photos/unpacked/photos/cat"
    (cats / "indoor" / "night").mkdir(parents=True)
    for index in range(10):
        (cats / f"{index}.png").rename(cats / "indoor" / "night" / f"{index}.png")
    result = prep_data(str(tmp_path / "photos"), *outputs)
    assert result.training_images + result.test_images == 60


def test_the_split_follows_the_names_alone(folders, tmp_path, outputs):
    prep_data(str(folders), *outputs)
    before = [{image.tobytes() for image in batch.images} for batch in sets(outputs)]
    assert len(before[1]) == sum(
        position(f"{name}/{index}.png") < 0.2 for name in ("cat", "dog") for index in range(30)
    )
    for index in range(40):
        write_picture(folders / "cat" / f"later {index}.png", 5000 + index)
    again = tmp_path / "again" / "training", tmp_path / "again" / "test"
    prep_data(str(folders), *again)
    after = [{image.tobytes() for image in batch.images} for batch in sets(again)]
    assert before[0] <= after[0]
    assert before[1] <= after[1]


def test_images_are_not_in_the_order_of_their_classes(folders, outputs):
    prep_data(str(folders), *outputs)
    labels = sets(outputs)[0].labels
    assert np.count_nonzero(np.diff(labels)) > 10


def test_the_same_folder_gives_the_same_bytes(folders, tmp_path, outputs):
    prep_data(str(folders), *outputs)
    again = tmp_path / "again" / "training", tmp_path / "again" / "test"
    prep_data(str(folders), *again)
    for one, other in zip(outputs, again, strict=True):
        assert (one / "images.parquet").read_bytes() == (other / "images.parquet").read_bytes()


def test_classes_keep_the_order_of_class_names(halves, outputs):
    assert prep_data(str(halves), *outputs, class_names=["dog", "cat"]).classes == ("dog", "cat")
    cats = {np.asarray(Image.open(path)).tobytes() for path in (halves / "train" / "cat").iterdir()}
    batch = sets(outputs)[0]
    assert {image.tobytes() for image in batch.images[batch.labels == 1]} == cats


def test_numbers_are_named_by_class_names_and_sorted_by_value(tmp_path, outputs):
    names = tuple(map(str, range(11)))
    write_class_folders(tmp_path / "digits", 30, names)
    assert prep_data(str(tmp_path / "digits"), *outputs).classes == names
    again = tmp_path / "again" / "training", tmp_path / "again" / "test"
    named = [f"digit {number}" for number in range(11)]
    assert prep_data(str(tmp_path / "digits"), *again, class_names=named).classes == tuple(named)
    np.testing.assert_array_equal(sets(outputs)[0].labels, sets(again)[0].labels)


def test_size_and_channels(folders, outputs, tmp_path):
    write_picture(folders / "cat" / "large.png", 77, (20, 10))
    message = refused(folders, outputs)
    assert "images have 2 sizes: 8x8 (60), 10x20 (1); set image_size, such as 8" in message
    result = prep_data(str(folders), *outputs, image_size="6x5", channels=1)
    assert result.image_shape == (6, 5, 1)
    (metadata,) = {pq.read_schema(folder / "images.parquet").metadata[b"preprocessing"] for folder in outputs}
    recorded = json.loads(metadata)
    assert {"height": 6, "width": 5, "channels": 1, "resize": "pad"}.items() <= recorded.items()
    square = tmp_path / "square" / "training", tmp_path / "square" / "test"
    assert prep_data(str(folders), *square, image_size="12").image_shape == (12, 12, 3)


def test_grey_images_stay_grey_and_colour_among_them_counts(tmp_path, outputs):
    for name in ("cat", "dog"):
        for index in range(30):
            write_picture(tmp_path / "photos" / name / f"{index}.png", index + 100 * (name == "cat"), mode="L")
    assert prep_data(str(tmp_path / "photos"), *outputs, output_format="csv").image_shape == (8, 8, 1)
    write_picture(tmp_path / "photos" / "cat" / "colour.png", 1)
    again = tmp_path / "again" / "training", tmp_path / "again" / "test"
    assert prep_data(str(tmp_path / "photos"), *again).image_shape == (8, 8, 3)


def test_large_images_make_small_groups(halves, outputs, monkeypatch):
    monkeypatch.setattr(image_set, "GROUP_BYTES", 2 * 8 * 8 * 3)
    prep_data(str(halves), *outputs)
    assert open_image_set(outputs[0]).group_sizes == (2, 2, 2)


def test_more_than_256_classes_have_wider_labels(tmp_path, outputs):
    names = [f"class {number:03}" for number in range(300)]
    for subset in ("train", "test"):
        for number, name in enumerate(names):
            write_picture(tmp_path / "many" / subset / name / "1.png", number, (2, 2))
    assert prep_data(str(tmp_path / "many"), *outputs).classes == tuple(names)
    for batch in sets(outputs):
        assert batch.labels.dtype == np.uint16
        assert sorted(batch.labels) == list(range(300))
    csv = tmp_path / "csv" / "training", tmp_path / "csv" / "test"
    with pytest.raises(DataError, match="CSV supports up to 256 classes only, not 300"):
        prep_data(str(tmp_path / "many"), *csv, output_format="csv", channels=1)


JUNK = (".DS_Store", "Thumbs.db", "desktop.ini", "._0.png", ".hidden/x.png", "__MACOSX/cat/._0.png")


def test_what_operating_systems_leave_is_ignored(halves, outputs):
    for name in JUNK:
        for folder in (halves, halves / "train", halves / "train" / "cat"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"\0junk")
    assert prep_data(str(halves), *outputs).training_images == 6


def test_upper_case_endings_no_ending_and_names_in_any_script(halves, outputs):
    (halves / "train/cat/0.png").rename(halves / "train/cat/0.PNG")
    (halves / "train/cat/1.png").rename(halves / "train/cat/1")
    (halves / "train/cat/2.png").rename(halves / "train/cat/ねこ <b>№2 é.JPG")
    for subset in ("train", "test"):
        (halves / subset / "dog").rename(halves / subset / "собака")
    assert prep_data(str(halves), *outputs).classes == ("cat", "собака")


def test_a_name_that_is_not_utf8(halves, outputs, tmp_path):
    os.rename(os.fsencode(halves / "train/cat/0.png"), os.fsencode(halves / "train/cat") + b"/\xff.png")  # noqa: PTH104
    shutil.copy(halves / "train/cat/1.png", halves / "test/cat/same.png")
    (halves / "train/cat/bad.png").write_bytes(b"")
    os.rename(os.fsencode(halves / "train/cat/bad.png"), os.fsencode(halves / "train/cat") + b"/\xfe.png")  # noqa: PTH104
    report = tmp_path / "report.html"
    prep_data(str(halves), *outputs, output_report=report, on_bad_image="skip", max_bad_fraction=0.5)
    assert "\\udcfe.png" in report.read_text()


BAD = {
    "empty.jpg": (b"", "empty file"),
    "truncated.jpg": (JPEG[:-300], "damaged image"),
    "page.jpg": (b"<!doctype html><html>404</html>", "not an image"),
    "notes.txt": (b"buy milk", "not an image"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_fails_the_step_or_is_skipped(halves, outputs, tmp_path, name):
    data, reason = BAD[name]
    bad = halves / "train" / "cat" / name
    bad.write_bytes(data)
    for channels in (0, 3):
        message = refused(halves, outputs, image_size="8", channels=channels)
        assert str(bad) in message
        assert reason in message
        assert "set on_bad_image to skip" in message
    report = tmp_path / "report.html"
    result = prep_data(
        str(halves), *outputs, image_size="8", on_bad_image="skip", max_bad_fraction=0.1, output_report=report
    )
    assert (result.training_images, result.skipped_images) == (6, 1)
    assert f"train/cat/{name}" in report.read_text()
    assert reason in report.read_text()


@pytest.mark.parametrize("given", [{}, {"image_size": "8", "channels": 3}])
def test_too_many_bad_files_fail_the_step(halves, outputs, given):
    for name in ("1.jpg", "2.jpg"):
        (halves / "train" / "cat" / name).write_bytes(b"")
    message = refused(halves, outputs, on_bad_image="skip", max_bad_fraction=0.1, **given)
    assert "more than max_bad_fraction=0.1 of 12 files cannot be used, such as train/cat/" in message
    assert message.endswith("; remove them, or set max_bad_fraction higher")


def test_links_are_followed_and_loops_and_broken_links_are_bad(halves, outputs, tmp_path):
    (halves / "train/cat").rename(tmp_path / "elsewhere")
    (halves / "train/cat").symlink_to(tmp_path / "elsewhere")
    assert prep_data(str(halves), *outputs).training_images == 6
    for made, target, reason in (
        ("loop", halves / "train", "link to one of its parent folders"),
        ("itself", "itself", "cannot be read (Too many levels of symbolic links)"),
        ("gone.png", "nowhere.png", "broken link to nowhere.png"),
        ("pipe.png", None, "neither a file nor a folder"),
    ):
        if target:
            (halves / "train/dog" / made).symlink_to(target)
        else:
            os.mkfifo(halves / "train/dog" / made)
        again = tmp_path / "again" / "training", tmp_path / "again" / "test"
        message = refused(halves, again)
        assert f"train/dog/{made}: {reason}" in message
        (halves / "train/dog" / made).unlink()


def test_a_class_whose_images_are_all_bad_is_missing(halves, outputs):
    for path in (halves / "test/cat").iterdir():
        path.write_bytes(b"")
    message = refused(halves, outputs, on_bad_image="skip", max_bad_fraction=1.0, image_size="8")
    assert "no images of class cat in the test set; each class must be in both sets" in message


def test_duplicates_across_the_sets_are_reported(halves, outputs, tmp_path, caplog):
    caplog.set_level("INFO")
    shutil.copy(halves / "train/cat/0.png", halves / "test/dog/copy.png")
    Image.open(halves / "train/cat/1.png").save(halves / "test/cat/other bytes.bmp")
    report = tmp_path / "report.html"
    result = prep_data(str(halves), *outputs, output_report=report)
    assert result.duplicates == 2
    page = report.read_text()
    for name in ("train/cat/0.png", "test/dog/copy.png", "train/cat/1.png", "test/cat/other bytes.bmp"):
        assert name in page
    assert "2 training images are also in the test set" in caplog.text


def test_the_report_shows_counts_sizes_and_samples(halves, outputs, tmp_path):
    write_picture(halves / "train/<i>" / "0.png", 9, (300, 200))
    write_picture(halves / "test/<i>" / "0.png", 10, (300, 200))
    report = tmp_path / "report.html"
    prep_data(str(halves), *outputs, output_report=report, image_size="128")
    page = report.read_text()
    assert '<th scope="row">&lt;i&gt;</th><td>1</td><td>1</td>' in page
    assert '<th scope="row">cat</th><td>3</td><td>2</td>' in page
    assert '<th scope="row">8x8 colour</th><td>10</td>' in page
    assert '<th scope="row">300x200 colour</th><td>2</td>' in page
    assert len(re.findall('<img src="data:image/png;base64,', page)) == 7
    assert "<i>" not in page


def test_many_sizes_do_not_hide_what_was_skipped(halves, outputs, tmp_path):
    for width in range(20, 50):
        write_picture(halves / f"train/cat/{width}.png", width, (width, 20))
    (halves / "train/cat/empty.png").touch()
    report = tmp_path / "report.html"
    prep_data(str(halves), *outputs, output_report=report, image_size="8", on_bad_image="skip")
    page = report.read_text()
    assert page.index("<h2>Skipped files</h2>") < page.index("<h2>Sizes before preprocessing</h2>")
    assert page.count("x20 colour") == 19  # after the one size of the ten other images
    assert "and 11 more" in page


@pytest.mark.parametrize(
    ("change", "given", "reason"),
    [
        (lambda root: shutil.rmtree(root / "test/cat"), {}, "no images of class cat in the test set"),
        (lambda root: shutil.rmtree(root / "train/cat"), {}, "no images of class cat in the training set"),
        (lambda root: [shutil.rmtree(root / name / "cat") for name in ("train", "test")], {}, "only one class, dog"),
        (lambda root: (root / "other").mkdir(), {}, "other beside train"),
        (lambda root: write_picture(root / "train/loose.png", 1), {}, "train/loose.png: not in a class folder"),
        (lambda root: write_picture(root / "loose.JPG", 1), {}, "loose.JPG: not in a class folder"),
        (lambda root: (root / "testing").mkdir(), {}, "both test and testing: keep one"),
        (lambda root: None, {"class_names": ["cat", "cow"]}, "class dog not in class_names (cat, cow)"),
        (lambda root: None, {"class_names": ["cat", "dog", "cow"]}, "no images of class cow in the training set"),
        (lambda root: None, {"input_format": "idx"}, "train-images-idx3-ubyte not found"),
        (lambda root: None, {"output_format": "csv"}, ""),
    ],
)
def test_what_does_not_fit_is_one_line(halves, outputs, change, given, reason):
    change(halves)
    if given.get("output_format") == "csv":
        with pytest.raises(DataError, match="square grey images only"):
            prep_data(str(halves), *outputs, **given)
        assert list(outputs[0].parent.rglob("*")) == []
    else:
        assert reason in refused(halves, outputs, **given)


def test_too_few_images_for_a_test_set(tmp_path, outputs):
    write_class_folders(tmp_path / "photos", 3)
    message = refused(tmp_path / "photos", outputs, test_fraction=0.001)
    assert (
        "no images of any class in the test set; each class must be in both sets; test_fraction=0.001 splits" in message
    )


def test_nothing_to_be_found_says_what_is_there(tmp_path, outputs):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "readme.md").write_text("nothing")
    message = refused(tmp_path / "photos", outputs)
    assert "no image set found; expected class folders" in message
    assert message.endswith("found readme.md")
    (tmp_path / "photos" / "a").mkdir()
    (tmp_path / "photos" / "b").mkdir()
    assert "no images in the class folders" in refused(tmp_path / "photos", outputs)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"image_size": "0"}, "image_size is '0'; expected HEIGHTxWIDTH"),
        ({"image_size": "32x"}, "image_size is '32x'"),
        ({"image_size": "9999"}, "1 to 8192"),
        ({"resize": "squash"}, "resize is 'squash'; expected pad, crop or stretch"),
        ({"channels": 2}, "channels is 2"),
        ({"test_fraction": 0.0}, "test_fraction is 0.0"),
        ({"on_bad_image": "ignore"}, "on_bad_image is 'ignore'; expected fail or skip"),
        ({"max_bad_fraction": 2.0}, "max_bad_fraction is 2.0"),
        ({"input_format": "png"}, "input_format is 'png'"),
    ],
)
def test_invalid_settings(halves, outputs, given, reason):
    with pytest.raises(DataError) as caught:
        prep_data(str(halves), *outputs, **given)
    assert reason in str(caught.value)


CONTENTS = [b"", b"text", JPEG, JPEG[:500], encoded(noise(2, (9, 7), "L")), encoded(noise(3))[:60]]
NAMES = st.sampled_from(["a.png", "b.JPG", "c", ".DS_Store", "sub/d.gif", "sub"])
PATHS = st.tuples(st.sampled_from(["", "train", "test", "val"]), st.sampled_from(["", "cat", "dog", "é"]), NAMES)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(PATHS, st.sampled_from(CONTENTS), max_size=12),
    st.sampled_from(["fail", "skip"]),
    st.sampled_from(["", "6"]),
)
def test_any_set_gives_two_sets_or_one_line(tmp_path, files, on_bad_image, image_size):
    root = tmp_path / "any"
    shutil.rmtree(root, ignore_errors=True)
    (root / "photos").mkdir(parents=True)
    for parts, data in files.items():
        path = root.joinpath("photos", *parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except OSError:  # a folder and a file of one name
            continue
    outputs = root / "out/training", root / "out/test"
    try:
        result = prep_data(
            str(root / "photos"), *outputs, on_bad_image=on_bad_image, image_size=image_size, max_bad_fraction=1.0
        )
    except DataError as error:
        message = str(error)
    else:
        message = ""
    if message:
        assert str(root) in message
        assert "\n" not in message
        assert list(outputs[0].parent.rglob("*")) == []
    else:
        assert [open_image_set(folder).info.count for folder in outputs] == [result.training_images, result.test_images]
