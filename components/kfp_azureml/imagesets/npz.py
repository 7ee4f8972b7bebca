"""Read images and labels in a NumPy archive, as Keras ships its data sets."""

from __future__ import annotations

import io
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp_azureml.imagesets.archives import size_check
from kfp_azureml.imagesets.collection import Collection, LabelledImage, Subset
from kfp_azureml.imagesets.packed_files import PackedFiles, packed_files, seekable
from kfp_azureml.imagesets.source import Source
from kfp_azureml.imagesets.tables import label_text
from kfp_azureml.runtime.errors import DataError, first_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Of the images and the labels: Keras, a single set, MedMNIST.
_NAMES: tuple[tuple[str, str, Subset | None], ...] = (
    ("x_train", "y_train", "train"),
    ("x_test", "y_test", "test"),
    ("train_images", "train_labels", "train"),
    ("test_images", "test_labels", "test"),
    ("x", "y", None),
    ("images", "labels", None),
)
MAX_IMAGE_BYTES = 1 << 28


@contextmanager
def open_npz(source: Source, name: str, scratch: Path) -> Iterator[Collection]:
    """Yield the images of a NumPy archive; they are raw pixels.

    Args:
        source: The folder of the file.
        name: The file.
        scratch: Folder for temporary files.

    Raises:
        DataError: If it is damaged, or has other arrays than uint8 images and labels.
    """
    uri = f"{source.uri}/{name}"
    with packed_files(uri, scratch) as packed:
        try:
            with source.open_raw(name) as raw, seekable(raw, scratch) as stream, zipfile.ZipFile(stream) as archive:
                stream.seek(0, io.SEEK_END)
                check = size_check(uri, stream.tell)
                # Before anything is read: the sizes in the directory limit what zipfile reads.
                check(sum(member.file_size for member in archive.infolist()))
                images, shape = _images(uri, archive, packed)
        except MemoryError as error:
            raise DataError(f"{uri}: an array is too large for the memory here ({first_line(error)})") from error
        except (tokenize.TokenError, SyntaxError) as error:
            raise DataError(f"{uri}: not a NumPy archive, or damaged ({first_line(error)})") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            raise DataError(f"{uri}: not a NumPy archive, or damaged ({first_line(error)})") from error
        except source.failures as error:
            raise DataError(f"{uri}: cannot be read: {first_line(error)}") from error
        packed.finish()
        yield Collection(uri, "arrays of a NumPy archive", images, packed.read, raw_shape=shape)


def _images(
    uri: str, archive: zipfile.ZipFile, packed: PackedFiles
) -> tuple[list[LabelledImage], tuple[int, int, int]]:
    members = {member.removesuffix(".npy") for member in archive.namelist() if member.endswith(".npy")}
    pairs = [names for names in _NAMES if {*names[:2]} <= members]
    if not pairs:
        raise DataError(
            f"{uri}: arrays are {', '.join(sorted(members)) or 'none'}; expected x_train and y_train, x and y, or "
            "images and labels"
        )
    images: list[LabelledImage] = []
    shapes = {}
    for images_name, labels_name, subset in pairs:
        labels = _labels(f"{uri}: {labels_name}", archive, labels_name)
        with archive.open(f"{images_name}.npy") as stream:
            count, shape = _image_header(f"{uri}: {images_name}", stream)
            if count != len(labels):
                raise DataError(f"{uri}: {len(labels)} labels in {labels_name} for the {count} images of {images_name}")
            for index, label in enumerate(labels):
                data = stream.read(prod(shape))
                if len(data) < prod(shape):
                    raise DataError(f"{uri}: {images_name} is truncated: {index} images, but {count} in the header")
                name = f"{images_name}[{index}]"
                packed.add_bytes(name, data)
                images.append(LabelledImage(name, label, subset))
        shapes[images_name] = shape
    if len(set(shapes.values())) > 1:
        raise DataError(f"{uri}: images differ in shape: {', '.join(f'{name} {one}' for name, one in shapes.items())}")
    return images, next(iter(shapes.values()))


def _image_header(what: str, stream: Any) -> tuple[int, tuple[int, int, int]]:
    shape, is_fortran, dtype = _read_header(stream)
    if dtype != "uint8" or is_fortran:
        raise DataError(f"{what}: contains {dtype}{' in Fortran order' if is_fortran else ''}; only uint8 is supported")
    if len(shape) not in (3, 4) or min(shape) < 1:
        raise DataError(f"{what}: shape is {shape}; expected (count, height, width) or with channels")
    height, width, channels = (*shape[1:], 1)[:3]
    if channels not in (1, 3, 4) or height * width * channels > MAX_IMAGE_BYTES:
        raise DataError(f"{what}: images of shape {shape[1:]}; expected 1, 3 or 4 channels, the last dimension")
    return shape[0], (height, width, channels)


def _labels(what: str, archive: zipfile.ZipFile, name: str) -> list[str]:
    import numpy as np

    with archive.open(f"{name}.npy") as stream:
        labels: NDArray[np.generic] = np.lib.format.read_array(stream, allow_pickle=False)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iuUb":
        raise DataError(f"{what}: {labels.dtype} of shape {labels.shape}; expected one number or text per image")
    return [label_text(label) for label in labels.tolist()]


def _read_header(stream: Any) -> tuple[tuple[int, ...], bool, str]:
    from numpy.lib import format as numpy_format

    version = numpy_format.read_magic(stream)
    read = numpy_format.read_array_header_1_0 if version == (1, 0) else numpy_format.read_array_header_2_0
    shape, is_fortran, dtype = read(stream)
    return shape, is_fortran, str(dtype)
