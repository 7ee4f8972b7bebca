"""The emoji set: what is in it, how it is split, and that a changed cache is not used."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from examples.emoji_images import emoji_images as source
from kfp_azureml.runtime.errors import DataError, OutputError
from step_calls import prep_data

TRAINING = {"animal": 416, "clothing": 152, "face": 368, "food": 388, "vehicle": 232}
TEST = {"animal": 100, "clothing": 36, "face": 92, "food": 96, "vehicle": 56}


def counts(folder: Path) -> dict[str, int]:
    return dict(Counter(path.parent.name for path in folder.glob("*/*.png")))


def signs(folder: Path) -> Counter[str]:
    return Counter(path.stem.rpartition("_")[0] for path in folder.glob("*/*.png"))


def test_all_four_pictures_of_a_sign_are_on_one_side(emoji: Path) -> None:
    assert (counts(emoji / "train"), counts(emoji / "test")) == (TRAINING, TEST)
    training, test = signs(emoji / "train"), signs(emoji / "test")
    assert {*training.values(), *test.values()} == {4}
    assert not training.keys() & test.keys()


def test_settings_are_chosen_without_the_test_set(emoji: Path, tmp_path: Path) -> None:
    chosen = source.emoji_images(tmp_path / "choosing", choosing=True)
    training, validation = signs(chosen / "train"), signs(chosen / "test")
    assert not training.keys() & validation.keys()
    assert training + validation == signs(emoji / "train")
    assert counts(chosen / "test").keys() == TEST.keys()


def test_they_are_pictures_with_transparency_and_none_is_in_both_sets(emoji: Path, tmp_path: Path) -> None:
    for path in emoji.glob("*/*/*.png"):
        with Image.open(path) as picture:
            assert picture.size == (64, 64)
            assert picture.convert("RGBA").getextrema()[3][0] == 0
    prepared = prep_data(str(emoji), tmp_path / "training", tmp_path / "test")
    assert (prepared.image_shape, prepared.classes) == ((64, 64, 3), tuple(TRAINING))
    assert (prepared.skipped_images, prepared.duplicates) == (0, 0)


def test_a_changed_cache_is_filled_again(tmp_path: Path, emoji: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = shutil.copytree(source.CACHE, tmp_path / "cache")
    monkeypatch.setattr(source, "CACHE", cache)
    picture = next(cache.glob("face/*.png"))
    content = picture.read_bytes()
    picture.write_bytes(content[:-1])
    again = source.emoji_images(tmp_path / "again")
    assert picture.read_bytes() == content
    for path in emoji.rglob("*.png"):
        assert (again / path.relative_to(emoji)).read_bytes() == path.read_bytes()


def test_other_pictures_than_expected_are_refused(emoji: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(source, "_download", lambda target: shutil.copytree(emoji / "test", target, dirs_exist_ok=True))
    with pytest.raises(DataError, match="are not those expected"):
        source.emoji_images(tmp_path / "emoji")
    assert list(tmp_path.iterdir()) == []


def test_npm_without_a_registry_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    with pytest.raises(DataError, match="npm could not download the emoji pictures: ") as caught:
        source.emoji_images(tmp_path / "emoji")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "emoji").exists()
    assert not (tmp_path / "cache").exists()


def test_an_npm_that_does_not_end_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(source, "_npm", lambda: ["sh", "-c", "exec sleep 60"])
    monkeypatch.setattr(source, "NPM_SECONDS", 0.1)
    with pytest.raises(DataError, match="npm did not download the emoji pictures within 0 s"):
        source.emoji_images(tmp_path / "emoji")
    assert not (tmp_path / "cache").exists()


def test_a_folder_with_something_in_it_is_kept(emoji: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists and is not an empty folder"):
        source.emoji_images(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
