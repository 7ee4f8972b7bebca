"""Split images into training and test set, and give classes their labels."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from kfp_azureml.imagesets.collection import Collection, LabelledImage, Subset, shown_name
from kfp_azureml.imagesets.image_set import MAX_CLASSES
from kfp_azureml.runtime.errors import DataError

_SHOWN_CLASSES = 8


@dataclass(frozen=True)
class SplitImages:
    """The images of both sets, each in a random order that their names determine.

    Attributes:
        training: Images of the training set.
        test: Images of the test set.
        classes: Class names in label order.
        is_given: Whether the data came with a test set.
    """

    training: list[LabelledImage]
    test: list[LabelledImage]
    classes: tuple[str, ...]
    is_given: bool

    def of(self, subset: Subset) -> list[LabelledImage]:
        """Return the images of a set."""
        return self.training if subset == "train" else self.test


def position(name: str) -> float:
    """Return a number from 0 to less than 1 that depends on a name only.

    Some file systems store the same accented name in other bytes, so it is normalized.
    """
    text = unicodedata.normalize("NFC", name).encode("utf-8", "surrogateescape")
    return int.from_bytes(blake2b(text, digest_size=6).digest()) / 2**48


def _own_name(name: str, root: str) -> str:
    """Return a name without the folders around the collection, or without the query of a web address."""
    return shown_name(name).removeprefix(f"{root}/")


def split_images(collection: Collection, class_names: Sequence[str], test_fraction: float) -> SplitImages:
    """Split a collection that has no test set, and order the images and the classes.

    An image's side depends on its own name only, so images that are added later move no other. The order is random
    because training shuffles in a bounded buffer.

    Raises:
        DataError: If there are no images, or a class is unknown or missing in one of the sets.
    """
    if not collection.images:
        reason = "".join(f"; {bad.name}: {bad.reason}" for bad in collection.bad[:1])
        raise DataError(f"{collection.uri}: no images in the {collection.found}{reason}")
    classes, names = _classes(collection, class_names)
    is_given = any(image.subset == "test" for image in collection.images)
    placed = sorted(
        (position(_own_name(image.name, collection.root)), image.name, image) for image in collection.images
    )
    training: list[LabelledImage] = []
    test: list[LabelledImage] = []
    for place, _, image in placed:
        in_test = image.subset == "test" if is_given else place < test_fraction
        (test if in_test else training).append(
            image if names is None else LabelledImage(image.name, names[image.label], image.subset)
        )
    split = SplitImages(training, test, classes, is_given)
    for subset, images in (("training", training), ("test", test)):
        counts = Counter(image.label for image in images)
        check_classes(collection.uri, subset, [counts[name] for name in classes], split, test_fraction)
    return split


def check_classes(uri: str, subset: str, counts: Sequence[int], split: SplitImages, test_fraction: float) -> None:
    """Check that a set has images of each class.

    Raises:
        DataError: If one is missing.
    """
    missing = [name for name, count in zip(split.classes, counts, strict=True) if not count]
    if not missing:
        return
    what = f"class {missing[0]}" if len(missing) == 1 else f"classes {_some(missing)}"
    advice = "each class must be in both sets"
    if not split.is_given:
        advice += f"; test_fraction={test_fraction:g} splits by the images' names: add images, or set another"
    raise DataError(f"{uri}: no images of {what if sum(counts) else 'any class'} in the {subset} set; {advice}")


def _classes(collection: Collection, class_names: Sequence[str]) -> tuple[tuple[str, ...], Mapping[str, str] | None]:
    """Return the classes in label order, and the new names of labels that are numbers."""
    labels = {image.label for image in collection.images}
    known = tuple(class_names) or collection.classes
    if known is None:
        ordered = sorted(labels, key=int) if all(_is_number(label) for label in labels) else sorted(labels)
        known = tuple(ordered)
    names = None
    unknown = sorted(labels - set(known))
    if unknown and class_names and all(_is_number(label) and int(label) < len(known) for label in labels):
        names, unknown = {label: known[int(label)] for label in labels}, []
    if unknown:
        raise DataError(
            f"{collection.uri}: {'class' if len(unknown) == 1 else 'classes'} {_some(unknown)} not in class_names "
            f"({_some(known)})"
        )
    if len(known) < 2:
        raise DataError(
            f"{collection.uri}: only one class, {known[0]}, in the {collection.found}; expected at least two"
        )
    if len(known) > MAX_CLASSES:
        raise DataError(f"{collection.uri}: {len(known):,} classes; at most {MAX_CLASSES:,} are supported")
    return known, names


def _is_number(label: str) -> bool:
    return label.isascii() and label.isdecimal() and len(label) <= 9 and str(int(label)) == label


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN_CLASSES
    return ", ".join(names[:_SHOWN_CLASSES]) + (f" and {more} more" if more > 0 else "")
