"""Decode a collection of encoded images and write it as a training and a test set."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path

from kfp_azureml.imagesets.collection import BadImage, Collection, LabelledImage, Subset
from kfp_azureml.imagesets.image_set import images_per_group, label_bytes
from kfp_azureml.imagesets.preprocessing import BadImageError, Preprocessing, resize_pixels
from kfp_azureml.runtime.errors import DataError
from kfp_azureml.runtime.step import progress, throttle
from kfp_azureml.steps.prep.bad_images import BadImages
from kfp_azureml.steps.prep.decoding_processes import DecodingProcesses
from kfp_azureml.steps.prep.duplicates import Duplicates
from kfp_azureml.steps.prep.parallel import map_in_order
from kfp_azureml.steps.prep.result import Findings
from kfp_azureml.steps.prep.settings import ImageSettings
from kfp_azureml.steps.prep.split import SplitImages, check_classes, split_images
from kfp_azureml.steps.prep.tally import SetTally
from kfp_azureml.steps.prep.write_set import write_set

PROGRESS_SECONDS = 2.0
SHOWN_SIZES = 5
PIECE_IMAGES = 16
PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class EncodedImages:
    """A collection that has been split, whose preprocessing is known.

    Attributes:
        collection: The images.
        split: Both sets.
        preprocessing: What is done with each image.
        settings: The settings of prep.
        bad: Files that cannot be used so far.
        sizes: Number of images by size and colour, if their headers were read.
        processes: Decode the images.
    """

    collection: Collection
    split: SplitImages
    preprocessing: Preprocessing
    settings: ImageSettings
    bad: BadImages
    sizes: dict[str, int]
    processes: DecodingProcesses

    def write(self, training_folder: Path, test_folder: Path, output_format: str) -> Findings:
        """Decode and write both sets.

        Raises:
            DataError: If an image cannot be used and must not be skipped, or too many cannot, or none of a class can.
        """
        duplicates = Duplicates()
        # The test set first: it is smaller, and its images stay in memory as hashes.
        test = self._write("test", test_folder, output_format, duplicates.note_test)
        training = self._write("train", training_folder, output_format, duplicates.note_training)
        return Findings(
            self.collection.uri,
            self.collection.found,
            self.split.classes,
            training,
            test,
            self.preprocessing.as_json(),
            self.bad.skipped,
            duplicates.found,
            duplicates.count,
            self.sizes,
        )

    def _write(
        self, subset: Subset, folder: Path, output_format: str, note: Callable[[LabelledImage, bytes], None]
    ) -> SetTally:
        tally = SetTally(self.preprocessing.shape, self.split.classes)
        name = "training" if subset == "train" else "test"
        chunks = tally.watch(self._chunks(name, self.split.of(subset), note))
        preprocessing = self.preprocessing.as_json()
        write_set(folder, subset, output_format, tally.shape, self.split.classes, chunks, preprocessing)
        check_classes(self.collection.uri, name, tally.counts, self.split, self.settings.test_fraction)
        return tally

    def _chunks(
        self, set_name: str, images: Sequence[LabelledImage], note: Callable[[LabelledImage, bytes], None]
    ) -> Iterator[tuple[bytearray, bytes]]:
        """Yield pixels and labels of the images that can be used, and report progress."""
        shape = self.preprocessing.shape
        size = images_per_group(shape)
        label_of = {name: label for label, name in enumerate(self.split.classes)}
        code = "B" if label_bytes(len(label_of)) == 1 else "H"
        pixels, labels = bytearray(), array(code)
        due = throttle(PROGRESS_SECONDS)
        work = partial(_pixels, self.collection, self.preprocessing, self.processes)
        for done, (image, result) in enumerate(map_in_order(work, images, _piece(shape)), 1):
            if isinstance(result, str):
                self.bad.add(BadImage(image.name, result))
            else:
                note(image, result)
                pixels += result
                labels.append(label_of[image.label])
            if len(labels) == size:
                yield pixels, labels.tobytes()
                pixels, labels = bytearray(), array(code)
            if due():
                progress(f"{set_name} set: {done:,} of {len(images):,} images", done / len(images))
        if labels:
            yield pixels, labels.tobytes()


def inspect_encoded(
    collection: Collection, class_names: Sequence[str], settings: ImageSettings, processes: DecodingProcesses
) -> EncodedImages:
    """Split a collection and find out size and channels where they are not set.

    Raises:
        DataError: If a class is missing in one set, or the images differ in size and no `image_size` is set.
    """
    split = split_images(collection, class_names, settings.test_fraction)
    progress(
        f"{collection.uri}: {collection.found}, {len(split.classes)} classes, "
        f"{'with' if split.is_given else 'split into'} {len(split.training):,} training and {len(split.test):,} "
        "test images"
    )
    total = len(collection.images) + len(collection.bad)
    bad = BadImages(collection.uri, total, skip=settings.on_bad_image == "skip", max_fraction=settings.max_bad_fraction)
    for one in collection.bad:
        bad.add(one)
    sizes: Counter[tuple[int, int, int]] = Counter()
    if collection.raw_shape:
        height, width, channels = collection.raw_shape
        sizes[height, width, 1 if channels <= 2 else 3] = len(collection.images)
    elif settings.size is None or not settings.channels:
        split = _read_headers(collection, split, bad, sizes, processes)
    height, width = settings.size or _common_size(collection.uri, sizes)
    channels = settings.channels or max((channels for _, _, channels in sizes), default=3)
    shown = {
        f"{width}x{height} {'grey' if depth == 1 else 'colour'}": count
        for (height, width, depth), count in sizes.most_common()
    }
    wanted = Preprocessing(height, width, channels, settings.resize)
    return EncodedImages(collection, split, wanted, settings, bad, shown, processes)


def _read_headers(
    collection: Collection,
    split: SplitImages,
    bad: BadImages,
    sizes: Counter[tuple[int, int, int]],
    processes: DecodingProcesses,
) -> SplitImages:
    """Count the images by (height, width, channels) into `sizes`, and return the split without bad files."""
    kept: dict[Subset, list[LabelledImage]] = {"train": [], "test": []}
    due = throttle(PROGRESS_SECONDS)
    for subset, images in kept.items():
        all_images = split.of(subset)
        work = partial(_header, collection, processes)
        for done, (image, result) in enumerate(map_in_order(work, all_images, PIECE_IMAGES), 1):
            if isinstance(result, str):
                bad.add(BadImage(image.name, result))
            else:
                sizes[result] += 1
                images.append(image)
            if due():
                progress(f"sizes of {done:,} of {len(all_images):,} images")
    return SplitImages(kept["train"], kept["test"], split.classes, split.is_given)


def _common_size(uri: str, sizes: Counter[tuple[int, int, int]]) -> tuple[int, int]:
    counts: Counter[tuple[int, int]] = Counter()
    for (height, width, _), count in sizes.items():
        counts[height, width] += count
    if not counts:
        raise DataError(f"{uri}: none of the files is an image")
    if len(counts) > 1:
        some = ", ".join(f"{height}x{width} ({count})" for (height, width), count in counts.most_common(SHOWN_SIZES))
        more = f" and {len(counts) - SHOWN_SIZES} more" if len(counts) > SHOWN_SIZES else ""
        raise DataError(
            f"{uri}: images have {len(counts)} sizes: {some}{more}; set image_size, such as {_proposal(counts)}"
        )
    return next(iter(counts))


def _proposal(counts: Counter[tuple[int, int]]) -> int:
    """Return the largest usual size that the shorter side of half of the images reaches."""
    sides = sorted(min(size) for size in counts.elements())
    median = sides[len(sides) // 2]
    return max((side for side in (16, 32, 64, 96, 128, 160, 224) if side <= median), default=max(1, median))


def _piece(shape: tuple[int, int, int]) -> int:
    return max(1, min(PIECE_IMAGES, PIECE_BYTES // prod(shape)))


def _pixels(
    collection: Collection, wanted: Preprocessing, processes: DecodingProcesses, image: LabelledImage
) -> bytes | str:
    """Return the pixels of an image, or why it cannot be used."""
    try:
        data = collection.read(image.name)
        if collection.raw_shape is None:
            return processes.decode(data, wanted)
        return data if collection.raw_shape == wanted.shape else resize_pixels(data, collection.raw_shape, wanted)
    except BadImageError as error:
        return str(error)


def _header(collection: Collection, processes: DecodingProcesses, image: LabelledImage) -> tuple[int, int, int] | str:
    try:
        return processes.read_header(collection.read(image.name))
    except BadImageError as error:
        return str(error)
