"""Write JPEG photographs of 640x480 in two class folders: random crops of scikit-learn's two photographs.

python make_photos.py FOLDER COUNT
"""

import random
import sys
from pathlib import Path

from PIL import Image, ImageEnhance
from sklearn.datasets import load_sample_images

SIZE = (640, 480)
QUALITY = 90


def main(folder: Path, count: int) -> None:
    """Write the photographs."""
    sources = [Image.fromarray(array) for array in load_sample_images().images]
    draw = random.Random(1)  # noqa: S311 - reproducible
    for number in range(count):
        source = sources[number % len(sources)]
        width = source.height * SIZE[0] / SIZE[1] * draw.uniform(0.6, 1)
        height = width * SIZE[1] / SIZE[0]
        left, top = draw.uniform(0, source.width - width), draw.uniform(0, source.height - height)
        photo = source.resize(SIZE, Image.Resampling.LANCZOS, box=(left, top, left + width, top + height))
        if draw.random() < 0.5:
            photo = photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        target = folder / f"class{number % len(sources)}" / f"{number:06}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        ImageEnhance.Brightness(photo).enhance(draw.uniform(0.8, 1.2)).save(target, quality=QUALITY)


main(Path(sys.argv[1]), int(sys.argv[2]))
