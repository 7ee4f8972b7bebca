"""The baseline's prep: idx files read byte by byte into Python lists, written as CSV.

Usage: prep.py INPUT_FOLDER TRAINING_FOLDER TEST_FOLDER TRAINING_IMAGES TEST_IMAGES
"""

from __future__ import annotations

import sys
from pathlib import Path

PIXELS = 28 * 28


def convert(images: Path, labels: Path, csv: Path, count: int) -> None:
    """Write some images as lines of CSV: the label, then the pixels.

    Args:
        images: The idx file of the images; its header is skipped unread.
        labels: That of the labels.
        csv: The file to write.
        count: How many images there are.
    """
    rows = []
    with images.open("rb") as image_file, labels.open("rb") as label_file:
        image_file.read(16)
        label_file.read(8)
        for _ in range(count):
            row = [ord(label_file.read(1))]
            for _ in range(PIXELS):
                row.append(ord(image_file.read(1)))  # noqa: PERF401 - as the baseline does
            rows.append(row)
    with csv.open("w") as csv_file:
        for row in rows:
            csv_file.write(",".join(str(value) for value in row) + "\n")


def main() -> None:
    """Convert both sets."""
    source, training, test = map(Path, sys.argv[1:4])
    for subset, folder, csv, count in (
        ("train", training, "mnist_train.csv", sys.argv[4]),
        ("t10k", test, "mnist_test.csv", sys.argv[5]),
    ):
        folder.mkdir(parents=True)
        images, labels = source / f"{subset}-images-idx3-ubyte", source / f"{subset}-labels-idx1-ubyte"
        convert(images, labels, folder / csv, int(count))


if __name__ == "__main__":
    main()
