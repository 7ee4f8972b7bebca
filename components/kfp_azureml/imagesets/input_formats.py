"""Find out in which form a folder has its images."""

from __future__ import annotations

from kfp_azureml.imagesets.idx import file_names
from kfp_azureml.imagesets.source import Source
from kfp_azureml.runtime.errors import DataError

INPUT_FORMATS = ("idx", "folders")
"""Values of `input_format`."""

EXPECTED = "class folders (cat/, dog/ or train/cat/, test/cat/) or the four idx files"

_IDX_NAMES = tuple(
    name for subset in ("train", "t10k") for kind in ("images", "labels") for name in file_names(subset, kind)
)


def detect_format(source: Source) -> str:
    """Return the form of the images in a folder, one of `INPUT_FORMATS`.

    Raises:
        DataError: If there is none; the message says what is there.
    """
    # Web servers cannot be listed; idx files have known names.
    if source.lists_any(_IDX_NAMES) in (True, None):
        return "idx"
    from kfp_azureml.imagesets.class_folders import has_class_folders

    if has_class_folders(source):
        return "folders"
    raise DataError(f"{source.uri}: no image set found; expected {EXPECTED}; found {source.enumerate_entries()}")
