"""A slice of Fashion-MNIST for runs of seconds."""

from pathlib import Path

from kfp_azureml.local.data import fashion_mnist


def write_fashion_slice(folder: Path) -> Path:
    """Write the first 2,000 training and 300 test images of Fashion-MNIST as idx files, and return their folder."""
    source = fashion_mnist(print)
    for prefix, count in (("train", 2000), ("t10k", 300)):
        for kind, header, item in (("images-idx3", 16, 784), ("labels-idx1", 8, 1)):
            name = f"{prefix}-{kind}-ubyte"
            whole = (source / name).read_bytes()
            head = whole[:4] + count.to_bytes(4, "big") + whole[8:header]
            (folder / name).write_bytes(head + whole[header : header + count * item])
    return folder
