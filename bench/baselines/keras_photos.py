"""Read class folders once with Keras, as its documentation shows, and write nothing.

python keras_photos.py FOLDER SIDE
"""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras

folder, side = sys.argv[1], int(sys.argv[2])
images = keras.utils.image_dataset_from_directory(folder, image_size=(side, side))
for _batch in images:
    pass
