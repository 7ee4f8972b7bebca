"""Read class folders with Pillow in a plain loop, and write the pixels to one file.

python pillow_photos.py FOLDER SIDE OUTPUT
"""

import sys
from pathlib import Path

from PIL import Image

folder, side, output = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
with output.open("wb") as stream:
    for path in sorted(folder.glob("*/*")):
        image = Image.open(path).convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
        stream.write(image.tobytes())
