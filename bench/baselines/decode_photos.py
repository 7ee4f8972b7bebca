"""Decode and resize the images of class folders with the code of prep, in a loop that does nothing else.

python decode_photos.py FOLDER SIDE
"""

import sys
from pathlib import Path

from kfp_azureml.imagesets.preprocessing import Preprocessing, decode

folder, side = Path(sys.argv[1]), int(sys.argv[2])
wanted = Preprocessing(side, side, 3, "pad")
for path in sorted(folder.glob("*/*")):
    decode(path.read_bytes(), wanted)
