"""Thumbnails of images as data URIs, of bounded size whatever the size of the image."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXACT_SIDE = 64
"""Images up to this height and width, in pixels, are shown pixel by pixel, as PNG: at most 16 kB."""

SIDE = 128
"""Height and width that larger images are reduced to, as JPEG: about 5 kB, and at most 35 kB, of noise."""

JPEG_QUALITY = 80


def shrink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a copy of an image for its thumbnail.

    Args:
        image: (height, width, channels), uint8. 1 channel is grey, 3 are RGB, 4 are RGBA; of any other number the
            first channel is shown.

    Returns:
        The image as it is up to `EXACT_SIDE`, else reduced to fit `SIDE`, in 1, 3 or 4 channels.
    """
    import numpy as np

    shown = image if image.shape[2] in (1, 3, 4) else image[:, :, :1]
    height, width = shown.shape[:2]
    if max(height, width) <= EXACT_SIDE:
        return shown.copy()
    from PIL import Image

    picture = Image.fromarray(shown if shown.shape[2] > 1 else shown[:, :, 0])
    picture.thumbnail((SIDE, SIDE))
    reduced = np.asarray(picture)
    return reduced.reshape(*reduced.shape[:2], -1)


def data_uri(thumbnail: NDArray[np.uint8]) -> str:
    """Return the result of `shrink` as a data URI."""
    from PIL import Image

    picture = Image.fromarray(thumbnail if thumbnail.shape[2] > 1 else thumbnail[:, :, 0])
    stream = io.BytesIO()
    exact = max(thumbnail.shape[:2]) <= EXACT_SIDE
    if exact:
        picture.save(stream, "PNG")
    else:
        if picture.mode == "RGBA":
            white = Image.new("RGBA", picture.size, "white")
            picture = Image.alpha_composite(white, picture).convert("RGB")
        picture.save(stream, "JPEG", quality=JPEG_QUALITY)
    return f"data:image/{'png' if exact else 'jpeg'};base64," + base64.b64encode(stream.getvalue()).decode()
