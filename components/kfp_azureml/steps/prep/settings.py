"""The settings of prep for images that have to be decoded or split."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kfp_azureml.imagesets.image_set import MAX_IMAGE_SIDE
from kfp_azureml.imagesets.input_formats import INPUT_FORMATS
from kfp_azureml.imagesets.preprocessing import RESIZE_MODES
from kfp_azureml.runtime.errors import DataError

ON_BAD_IMAGE = ("fail", "skip")


@dataclass(frozen=True)
class ImageSettings:
    """How images are found, decoded and split; the component describes the values.

    Raises:
        DataError: If a value is invalid.
    """

    input_format: str
    image_size: str
    resize: str
    channels: int
    test_fraction: float
    on_bad_image: str
    max_bad_fraction: float

    def __post_init__(self) -> None:
        """Validate."""
        for name, known in (("input_format", INPUT_FORMATS), ("resize", RESIZE_MODES), ("on_bad_image", ON_BAD_IMAGE)):
            value = getattr(self, name)
            if value not in known and (value or name != "input_format"):
                raise DataError(f"{name} is {value!r}; expected {', '.join(known[:-1])} or {known[-1]}")
        if self.channels not in (0, 1, 3):
            raise DataError(f"channels is {self.channels}; expected 1 (grey), 3 (RGB), or 0 for what the images have")
        if not 0 < self.test_fraction < 1:
            raise DataError(f"test_fraction is {self.test_fraction}; must be more than 0 and less than 1")
        if not 0 <= self.max_bad_fraction <= 1:
            raise DataError(f"max_bad_fraction is {self.max_bad_fraction}; must be 0 to 1")
        _ = self.size

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) in pixels; None if `image_size` is empty."""
        if not self.image_size.strip():
            return None
        found = re.fullmatch(r"\s*(\d{1,6})\s*(?:[xX\u00d7]\s*(\d{1,6})\s*)?", self.image_size, re.ASCII)
        height, width = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not (0 < height <= MAX_IMAGE_SIDE and 0 < width <= MAX_IMAGE_SIDE):
            raise DataError(
                f"image_size is {self.image_size!r}; expected HEIGHTxWIDTH, such as 64x96, or one number, in pixels, "
                f"1 to {MAX_IMAGE_SIDE}"
            )
        return height, width
