"""Where Fashion-MNIST comes from; the network and apt are the borders that are replaced."""

import gzip
import subprocess
import urllib.request
from pathlib import Path

import pytest

from kfp_azureml.errors import DataError
from kfp_azureml.local import fashion_mnist as module


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KFP_AZUREML_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def refuse(*args: object, **kwargs: object) -> None:
    raise OSError("no network here")


def serve(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer downloads from a folder."""
    monkeypatch.setattr(
        urllib.request, "urlopen", lambda address, timeout: (folder / address.rsplit("/", 1)[1]).open("rb")
    )


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for name in module.SHA256:
        (folder / f"{name}.gz").write_bytes(gzip.compress(name.encode()))
    return folder


def test_no_source_at_all_is_one_line_that_says_what_was_tried(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(subprocess, "run", refuse)
    with pytest.raises(DataError) as failure:
        module.fashion_mnist(lambda text: None)
    for word in ("the public address: no network here", "Debian's package: no network here", "--data"):
        assert word in str(failure.value)
    assert not cache.exists()


def test_altered_data_is_refused_and_not_cached(monkeypatch: pytest.MonkeyPatch, source: Path, cache: Path) -> None:
    serve(source, monkeypatch)
    with pytest.raises(DataError, match="sha256"):
        module.fashion_mnist(lambda text: None)
    assert list(cache.iterdir()) == []


def test_what_was_fetched_once_is_not_fetched_again(monkeypatch: pytest.MonkeyPatch, source: Path, cache: Path) -> None:
    import hashlib

    monkeypatch.setattr(module, "SHA256", {name: hashlib.sha256(name.encode()).hexdigest() for name in module.SHA256})
    serve(source, monkeypatch)
    first = module.fashion_mnist(lambda text: None)
    assert sorted(path.name for path in first.iterdir()) == sorted(module.SHA256)
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    assert module.fashion_mnist(lambda text: None) == first
