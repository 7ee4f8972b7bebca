"""Find images in class folders: CLASS/IMAGE, or train/CLASS/IMAGE and test/CLASS/IMAGE.

This is the layout of Keras' image_dataset_from_directory and of torchvision's ImageFolder. Images may be in further
folders below a class. Any file counts as an image, whatever its ending, so that a stray one is noticed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from kfp_azureml.imagesets.collection import (
    BadImage,
    Collection,
    LabelledImage,
    Subset,
    is_validation,
    list_entries,
    reader_of,
    subset_named,
)
from kfp_azureml.imagesets.source import Source
from kfp_azureml.runtime.errors import DataError

IMAGE_ENDINGS = (".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_MAX_WRAPPERS = 5


def has_class_folders(source: Source) -> bool:
    """Return whether a folder contains folders, with images directly in them or below."""
    root = _root(source)
    return any(is_folder for is_folder in list_entries(source, root).values())


def find_class_folders(source: Source) -> Collection:
    """List the images of class folders.

    A folder that only contains one other folder, as archives unpack, is looked through.

    Raises:
        DataError: If there are no class folders, or only those of a test set.
    """
    root = _root(source)
    entries = list_entries(source, root)
    folders = sorted(name for name, is_folder in entries.items() if is_folder)
    if not folders:
        raise DataError(f"{source.uri}: no class folders, such as cat/ and dog/ with their images")
    by_subset = _subsets(source, root, folders)
    images: list[LabelledImage] = []
    bad = [
        BadImage(_join(root, name), "not in a class folder")
        for name, is_folder in sorted(entries.items())
        if not is_folder and name.lower().endswith(IMAGE_ENDINGS)
    ]
    for subset, folder in by_subset.items() if by_subset else [(None, root)]:
        inside = list_entries(source, folder)
        for name, is_folder in sorted(inside.items()):
            path = _join(folder, name)
            if is_folder:
                images += (
                    LabelledImage(image, name, subset)
                    for image in _files(source, path, bad, frozenset((source.real_path(folder),)))
                )
            elif subset and name.lower().endswith(IMAGE_ENDINGS):
                bad.append(BadImage(path, "not in a class folder"))
    around = by_subset["train"] if len(by_subset) == 1 else root
    return Collection(source.uri, _found(folders, by_subset), images, reader_of(source), tuple(bad), root=around)


def _found(folders: list[str], by_subset: Mapping[Subset, str]) -> str:
    if not by_subset:
        return "class folders"
    names = [next(filter(subset_named, PurePosixPath(folder).parts)) for folder in by_subset.values()]
    unused = [name for name in folders if subset_named(name) and name not in names]
    return f"class folders in {' and '.join(names)}" + (f", {', '.join(unused)} unused" if unused else "")


def _subsets(source: Source, root: str, folders: list[str]) -> dict[Subset, str]:
    """Return the folders of the training and the test set; empty if the folders are classes."""
    named = [name for name in folders if subset_named(name)]
    training = [name for name in named if subset_named(name) == "train"]
    if not training:
        return {}
    if others := [name for name in folders if name not in named]:
        raise DataError(
            f"{source.uri}: {', '.join(others)} beside {training[0]}: keep either classes or train and test there"
        )
    found: dict[Subset, str] = {}
    # test goes before validation
    for name in sorted(named, key=lambda name: (is_validation(name), name)):
        subset = subset_named(name)
        assert subset  # noqa: S101 - for mypy
        if subset in found and not is_validation(name):
            raise DataError(f"{source.uri}: both {PurePosixPath(found[subset]).name} and {name}: keep one")
        found.setdefault(subset, _root(source, _join(root, name)))
    return dict(sorted(found.items(), reverse=True))  # train first


def _root(source: Source, root: str = "") -> str:
    """Return the innermost folder that is not the only entry of its parent."""
    for _ in range(_MAX_WRAPPERS):
        entries = list_entries(source, root)
        folders = [name for name, is_folder in entries.items() if is_folder]
        if len(folders) != 1 or subset_named(folders[0]) or _has_images(entries):
            break
        inside = list_entries(source, _join(root, folders[0]))
        if _has_images(inside) or not any(inside.values()):
            break
        root = _join(root, folders[0])
    return root


def _has_images(entries: Mapping[str, bool]) -> bool:
    return any(not is_folder and name.lower().endswith(IMAGE_ENDINGS) for name, is_folder in entries.items())


def _files(source: Source, folder: str, bad: list[BadImage], above: frozenset[str]) -> Iterator[str]:
    """Yield the paths of all files below a folder; links are followed, loops go to `bad`."""
    real = source.real_path(folder)
    if real in above:
        bad.append(BadImage(folder, "link to one of its parent folders"))
        return
    for name, is_folder in sorted(list_entries(source, folder).items()):
        path = _join(folder, name)
        if is_folder:
            yield from _files(source, path, bad, above | {real})
        else:
            yield path


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
