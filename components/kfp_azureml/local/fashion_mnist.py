"""Fashion-MNIST on this machine: from the cache, the public address, or Debian's package, checked either way."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from kfp_azureml.errors import DataError
from kfp_azureml.outputs import whole_folder

ADDRESS = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion"
DEBIAN_PACKAGE = "dataset-fashion-mnist"

# Of the decompressed files: Debian compresses them anew.
SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}

CONNECT_SECONDS = 20.0
APT_SECONDS = 300.0


def fashion_mnist(say: Callable[[str], None]) -> Path:
    """Return a folder with the four idx files of Fashion-MNIST, decompressed and checked.

    Args:
        say: Tells the user what is going on.

    Raises:
        DataError: If no source has them, with what was tried.
    """
    cached = cache_folder() / "fashion-mnist"
    if not cached.is_dir():
        _fill(cached, say)
    say(f"Data: Fashion-MNIST, 70,000 images, from {cached}")
    return cached


def cache_folder() -> Path:
    """Return where downloads are kept: `KFP_AZUREML_CACHE`, or `kfp-azureml` in the user's cache folder."""
    if own := os.environ.get("KFP_AZUREML_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kfp-azureml"


def _fill(cached: Path, say: Callable[[str], None]) -> None:
    tried = []
    for name, fetch in (("the public address", _download), ("Debian's package", _unpack_debian_package)):
        say(f"Data: getting Fashion-MNIST from {name}")
        with tempfile.TemporaryDirectory(prefix="fashion-mnist-") as scratch:
            try:
                compressed = fetch(Path(scratch))
            except (OSError, subprocess.SubprocessError) as error:
                tried.append(f"{name}: {_reason(error)}")
                continue
            _keep(compressed, cached)
            return
    raise DataError(f"Fashion-MNIST cannot be had ({'; '.join(tried)}): name a folder that has it with --data")


def _download(scratch: Path) -> Path:
    for name in SHA256:
        with (
            urllib.request.urlopen(f"{ADDRESS}/{name}.gz", timeout=CONNECT_SECONDS) as answer,  # noqa: S310 - https
            (scratch / f"{name}.gz").open("wb") as file,
        ):
            shutil.copyfileobj(answer, file)
    return scratch


def _unpack_debian_package(scratch: Path) -> Path:
    """Download and unpack the package without root, with package lists of our own where there are none."""
    try:
        _apt(scratch, "download", DEBIAN_PACKAGE)
    except subprocess.CalledProcessError:
        lists = ("-o", f"Dir::State={scratch}/state", "-o", f"Dir::Cache={scratch}/cache")
        (scratch / "state/lists/partial").mkdir(parents=True)
        (scratch / "cache/archives/partial").mkdir(parents=True)
        _apt(scratch, *lists, "update")
        _apt(scratch, *lists, "download", DEBIAN_PACKAGE)
    package = next(scratch.glob("*.deb"))
    _run(scratch, "dpkg-deb", "--extract", str(package), str(scratch / "unpacked"))
    return scratch / "unpacked/usr/share/datasets/fashion-mnist"


def _apt(scratch: Path, *arguments: str) -> None:
    # As root apt would hand the download to a user who cannot write here.
    _run(scratch, "apt-get", "--quiet=2", "-o", "APT::Sandbox::User=root", *arguments)


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=APT_SECONDS)


def _keep(compressed: Path, cached: Path) -> None:
    """Decompress into the cache, whole or not at all."""
    with whole_folder(cached) as folder:
        for name, expected in SHA256.items():
            with gzip.open(compressed / f"{name}.gz") as source, (folder / name).open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            with (folder / name).open("rb") as written:
                if hashlib.file_digest(written, "sha256").hexdigest() != expected:
                    raise DataError(f"{name} is not the Fashion-MNIST file (sha256 differs): try again later")


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    if isinstance(error, subprocess.CalledProcessError):
        return f"{error.cmd[0]} ended with exit code {error.returncode}"
    return str(error)
