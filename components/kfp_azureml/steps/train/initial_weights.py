"""Initial weights: read a file of the user's storage, and load it into the base of a network.

Only arrays are read from it. A model file can have code, in Lambda layers, which is never loaded.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp_azureml.imagesets.addressed_files import folder_and_name
from kfp_azureml.imagesets.source import open_source
from kfp_azureml.runtime.errors import DataError, TrainingError, first_line
from kfp_azureml.runtime.step import progress
from kfp_azureml.steps.train.settings import TrainingSettings

if TYPE_CHECKING:
    import keras

_BLOCK = 1 << 20
_IN_ARCHIVE = "model.weights.h5"


@contextmanager
def fetched_weights(settings: TrainingSettings) -> Iterator[Path]:
    """Copy `settings.initial_weights` to a temporary file.

    Raises:
        DataError: If it cannot be read, or its sha256 is another.
        CredentialsError: If the credentials are incomplete.
    """
    expected = settings.initial_weights_sha256.lower()
    with tempfile.TemporaryDirectory(prefix="kfp-azureml-weights-") as folder:
        copy = Path(folder) / "weights"
        digest = hashlib.sha256()
        with _opened(settings.initial_weights, settings.use_azure_credentials) as stream, copy.open("wb") as file:
            while block := stream.read(_BLOCK):
                digest.update(block)
                file.write(block)
        found = digest.hexdigest()
        if expected and found != expected:
            raise DataError(f"initial_weights: {settings.initial_weights_name} has the sha256 {found}, not {expected}")
        progress(f"initial weights: {copy.stat().st_size / 1e6:.1f} MB, sha256 {found}", 0.0)
        yield copy


def _opened(uri: str, use_azure_credentials: bool) -> Any:
    if "://" not in uri:
        try:
            return Path(uri).open("rb")
        except OSError as error:
            raise DataError(f"initial_weights: {uri}: {error.strerror}") from error
    folder, name = folder_and_name(uri)
    try:
        return open_source(folder, use_azure_credentials=use_azure_credentials).open([name])
    except DataError as error:
        raise DataError(f"initial_weights: {error}") from error


def load_initial_weights(base: keras.Layer, path: Path, settings: TrainingSettings) -> None:
    """Load the weights of a file into the layer `BASE` of a network.

    The file is a `.weights.h5` or `.keras` of Keras 3, or the `.h5` that Keras Applications publish; of the base alone,
    of a whole application, or of a model written by train.

    Args:
        base: The layer.
        path: The file.
        settings: Name file and architecture in messages.

    Raises:
        TrainingError: If it is no such file, or its arrays do not fit.
    """
    import h5py

    name = f"initial_weights: {settings.initial_weights_name}"
    with tempfile.TemporaryDirectory(prefix="kfp-azureml-weights-") as folder:
        try:
            with h5py.File(_hdf5(path, Path(folder)), "r") as file:
                root = "model_weights/" if "layer_names" not in file.attrs and "model_weights" in file else ""
                if "layer_names" in file[root or "/"].attrs:
                    _load_published(base, file, root)
                else:
                    _load_saved(base, _datasets(file), Path(folder))
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise TrainingError(
                f"{name} is not a .keras, .weights.h5 or .h5 file of Keras, or is damaged: {first_line(error)}"
            ) from error
        except _MismatchError as error:
            raise TrainingError(f"{name} does not fit the base of {settings.architecture}: {error}") from error


class _MismatchError(Exception):
    """The arrays of a file are not those of the base."""


def _hdf5(path: Path, folder: Path) -> Path:
    """Return the HDF5 file itself; in a .keras file it is packed."""
    if not zipfile.is_zipfile(path):
        return path
    unpacked = folder / "unpacked"
    with zipfile.ZipFile(path) as archive, archive.open(_IN_ARCHIVE) as packed, unpacked.open("wb") as file:
        shutil.copyfileobj(packed, file)
    return unpacked


def _datasets(file: Any) -> dict[str, Any]:
    """Return the arrays in a file by path; not those that it takes from other files."""
    import h5py

    found: dict[str, Any] = {}

    def visit(path: str, entry: Any) -> None:  # it is not called for links to other files
        if isinstance(entry, h5py.Dataset):
            if entry.external or entry.is_virtual:
                raise ValueError(f"{path} is in another file")
            found[path] = entry

    file.visititems(visit)
    return found


def _load_published(base: Any, file: Any, root: str) -> None:
    """Load the layers in the order of the file, as Keras does; those on top of the base are left out."""
    stored = _datasets(file)
    paths = [
        f"{root}{_text(layer)}/{_text(weight)}"
        for layer in file[root or "/"].attrs["layer_names"]
        for weight in file[root + _text(layer)].attrs["weight_names"]
    ]
    variables = [
        variable for layer in base.layers for variable in (*layer.trainable_weights, *layer.non_trainable_weights)
    ]
    if len(paths) < len(variables):
        raise _MismatchError(f"it has {len(paths)} arrays; expected {len(variables)}")
    for path, variable in zip(paths, variables, strict=False):
        _check_shape(path, stored[path].shape, tuple(variable.shape))
    for path, variable in zip(paths, variables, strict=False):
        variable.assign(stored[path][()])


def _load_saved(base: Any, stored: Mapping[str, Any], folder: Path) -> None:
    """Load the arrays that are at the paths where Keras saves those of the base, in any model of the file."""
    import h5py

    own = folder / "own.weights.h5"
    base.save_weights(own)
    with h5py.File(own, "r+") as file:
        expected = _datasets(file)
        roots = {path[: found.start()] for path in stored for found in re.finditer(r"\blayers/", path)}
        root = max(sorted(roots, key=len), key=lambda root: sum(root + path in stored for path in expected), default="")
        for path, dataset in expected.items():
            if root + path not in stored:
                raise _MismatchError(f"it has no array {root}{path}")
            _check_shape(root + path, stored[root + path].shape, dataset.shape)
        for path, dataset in expected.items():
            dataset[...] = stored[root + path][()]
    base.load_weights(own)


def _check_shape(path: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        raise _MismatchError(f"{path} is {found}; expected {expected}")


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
