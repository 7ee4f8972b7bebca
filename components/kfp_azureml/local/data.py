"""Copy a run's images to this machine, since its steps reach only the Azure ML emulator."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from kfp_azureml.imagesets.addressed_files import folder_and_name
from kfp_azureml.imagesets.collection import list_entries
from kfp_azureml.imagesets.fashion_mnist import ADDRESS, SHA256
from kfp_azureml.imagesets.idx import file_names
from kfp_azureml.imagesets.input_formats import file_kind, may_have_idx, split_file
from kfp_azureml.imagesets.source import InputStream, Source, open_source
from kfp_azureml.local.environment_variables import common_variables, proxy_variables
from kfp_azureml.runtime.errors import DataError, OutputError
from kfp_azureml.runtime.outputs import atomic_file, atomic_folder

DEBIAN_PACKAGE = "dataset-fashion-mnist"
APT_SECONDS = 300.0


def on_this_machine(input_data: str, folder: Path, use_azure_credentials: bool, say: Callable[[str], None]) -> Path:
    """Return a local folder or file with the images of a URI.

    Args:
        input_data: A folder or file, or a URI to copy with the caller's network settings.
        folder: The folder to create for the copy.
        use_azure_credentials: Same as the parameter of prep.
        say: Prints a line.

    Raises:
        DataError: If the images do not exist or cannot be read.
    """
    address, file = split_file(input_data)
    source = open_source(address, use_azure_credentials=use_azure_credentials)
    if source.is_local:
        return (Path(source.uri) / file).resolve()
    say(f"Data: copying {source.uri}{'/' if file else ''}{file}")
    with atomic_folder(folder) as part:
        if not file and may_have_idx(source):
            _copy_idx(source, part)
        elif file and file_kind(file) != "table":
            with source.open([file]) as stream:
                _copy(stream, part / file)
        else:
            _copy_folder(source, "", part)
    return folder / file


def weights_on_this_machine(
    address: str, folder: Path, use_azure_credentials: bool, say: Callable[[str], None]
) -> Path:
    """Return the path of `initial_weights`, or of a copy of a URI's file in a folder.

    Args:
        address: A path, or a URI to copy with the caller's network settings.
        folder: Where to put a copy.
        use_azure_credentials: Same as the parameter of prep.
        say: Prints a line.

    Raises:
        DataError: If the file does not exist or cannot be read.
    """
    if "://" not in address:
        path = Path(address).resolve()
        if not path.is_file():
            raise DataError(f"initial_weights: {address}: {'not a file' if path.exists() else 'no such file'}")
        return path
    parent, name = folder_and_name(address)
    source = open_source(parent, use_azure_credentials=use_azure_credentials)
    if source.is_local:
        return Path(source.uri).resolve() / name
    say(f"Data: copying {source.uri}/{name}")
    with source.open([name]) as stream, atomic_file(folder / name) as part:
        _copy(stream, part)
    return folder / name


def _copy_idx(source: Source, target: Path) -> None:
    subsets: tuple[Literal["train", "t10k"], ...] = ("train", "t10k")
    kinds: tuple[Literal["images", "labels"], ...] = ("images", "labels")
    for subset in subsets:
        for kind in kinds:
            names = file_names(subset, kind)
            with source.open(names) as stream:
                _copy(stream, target / names[0])  # prep detects compression by content


def _copy_folder(source: Source, folder: str, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for name, is_folder in list_entries(source, folder).items():
        path = f"{folder}/{name}" if folder else name
        if is_folder:
            _copy_folder(source, path, target / name)
        else:
            with source.open([path]) as stream:
                _copy(stream, target / name)


def fashion_mnist(say: Callable[[str], None]) -> Path:
    """Return a folder with the four decompressed and verified idx files of Fashion-MNIST.

    They come from the cache, the public URL, or Debian's package.

    Args:
        say: Prints a line.

    Raises:
        DataError: If they could not be downloaded.
    """
    cached = cache_folder() / "fashion-mnist"
    if not _is_complete(cached):
        _fill(cached, say)
    say(f"Data: Fashion-MNIST, 70,000 images, from {cached}")
    return cached


def cache_folder() -> Path:
    """Return the folder for downloads: `KFP_AZUREML_CACHE`, or `kfp-azureml` in the user's cache folder."""
    if own := os.environ.get("KFP_AZUREML_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kfp-azureml"


def _is_complete(cached: Path) -> bool:
    return all((cached / name).is_file() for name in SHA256)


def _fill(cached: Path, say: Callable[[str], None]) -> None:
    tried = []
    for name, fetch in (("the public URL", _download), ("Debian's package", _unpack_debian_package)):
        say(f"Data: downloading Fashion-MNIST from {name}")
        with tempfile.TemporaryDirectory(prefix="fashion-mnist-") as scratch:
            try:
                _keep(fetch(Path(scratch)), cached)
            except (DataError, OSError, subprocess.SubprocessError) as error:
                tried.append(f"{name}: {_reason(error)}")
            else:
                return
    raise DataError(f"Fashion-MNIST could not be downloaded ({'; '.join(tried)}): set a folder with it as --data")


def _download(scratch: Path) -> Path:
    source = open_source(ADDRESS)
    for name in SHA256:
        with source.open([f"{name}.gz"]) as stream:
            _copy(stream, scratch / f"{name}.gz")
    return scratch


def _unpack_debian_package(scratch: Path) -> Path:
    """Download and unpack the package without root, with separate package lists if the system has none."""
    try:
        _apt(scratch, "download", DEBIAN_PACKAGE)
    except subprocess.CalledProcessError:
        lists = ("-o", f"Dir::State={scratch}/state", "-o", f"Dir::Cache={scratch}/cache")
        (scratch / "state/lists/partial").mkdir(parents=True)
        (scratch / "cache/archives/partial").mkdir(parents=True)
        _apt(scratch, *lists, "update")
        _apt(scratch, *lists, "download", DEBIAN_PACKAGE)
    (package,) = scratch.glob("*.deb")
    _run(scratch, "dpkg-deb", "--extract", str(package), str(scratch / "unpacked"))
    return scratch / "unpacked/usr/share/datasets/fashion-mnist"


def _apt(scratch: Path, *arguments: str) -> None:
    # As root, apt downloads as a user who cannot write here.
    _run(scratch, "apt-get", "--quiet=2", "-o", "APT::Sandbox::User=root", *arguments)


def _run(folder: Path, *command: str) -> None:
    environment = {**common_variables(), **proxy_variables()}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, timeout=APT_SECONDS)


def _keep(compressed: Path, cached: Path) -> None:
    """Decompress the files into the cache atomically."""
    try:
        with atomic_folder(cached) as folder:
            for name, expected in SHA256.items():
                try:
                    with gzip.open(compressed / f"{name}.gz") as stream:
                        _copy(stream, folder / name)
                except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                    raise DataError(f"{name}.gz is corrupt ({error})") from error
                with (folder / name).open("rb") as written:
                    if hashlib.file_digest(written, "sha256").hexdigest() != expected:
                        raise DataError(f"{name} is not the Fashion-MNIST file (sha256 differs)")
    except OutputError:
        # Another run may have filled the cache in the meantime.
        if not _is_complete(cached):
            raise


def _copy(stream: gzip.GzipFile | InputStream, target: Path) -> None:
    with target.open("wb") as file:
        shutil.copyfileobj(stream, file, 1 << 20)


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"{error.cmd[0]} ended with exit code {error.returncode}"
    return str(error)
