"""Convert idx files of images and labels to CSV: the label, then 784 pixels."""

import struct
import sys
from pathlib import Path

from mldesigner import Input, Output, command_component

FOLDER = Path(__file__).parent


@command_component(
    name="prep_data",
    version="1",
    display_name="Prep Data",
    environment={
        "conda_file": FOLDER / "conda.yaml",
        "image": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04",
    },
)
def prepare_data(
    input_data: Input(type="uri_folder"),
    training_data: Output(type="uri_folder"),
    test_data: Output(type="uri_folder"),
):
    for prefix, target in (("train", Path(training_data, "train.csv")), ("t10k", Path(test_data, "test.csv"))):
        images = Path(input_data, f"{prefix}-images-idx3-ubyte").read_bytes()
        labels = Path(input_data, f"{prefix}-labels-idx1-ubyte").read_bytes()
        (count,) = struct.unpack(">4xI", labels[:8])
        with target.open("w") as rows:
            for row in range(count):
                pixels = images[16 + row * 784 : 16 + (row + 1) * 784]
                print(labels[8 + row], *pixels, sep=",", file=rows)
        sys.stdout.write(f"wrote {count} rows of {prefix}\n")
