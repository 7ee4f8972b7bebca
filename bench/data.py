"""The images of the measurements: Fashion-MNIST, a part of it, or a multiple."""

from __future__ import annotations

import struct
from pathlib import Path

from bench.context import Context
from kfp_azureml.local.data import fashion_mnist

SUBSETS = ("train", "t10k")


def idx_files(context: Context, factor: int = 1) -> Path:
    """Return the folder of the four idx files, created on first use.

    Args:
        context: Its scale gives the number of images before repetition.
        factor: Number of repetitions.
    """
    training, test = context.scale.images
    folder = context.work / f"images-{training}-{test}-{factor}x"
    if folder.exists():
        return folder
    source = fashion_mnist(context.say)
    part = folder.with_suffix(".part")
    part.mkdir(parents=True, exist_ok=True)
    for subset, count in zip(SUBSETS, (training, test), strict=True):
        for kind, header, item in (("images-idx3", 16, 28 * 28), ("labels-idx1", 8, 1)):
            name = f"{subset}-{kind}-ubyte"
            whole = (source / name).read_bytes()
            values = whole[header : header + count * item]
            with (part / name).open("wb") as stream:
                stream.write(whole[:4] + struct.pack(">I", count * factor) + whole[8:header])
                for _ in range(factor):
                    stream.write(values)
    part.rename(folder)
    return folder
