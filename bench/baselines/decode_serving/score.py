"""The lower bound of an entry script for image files: it decodes as ours does, and echoes the pixels.

It runs with the files of our serving folder beside it.
"""

import base64
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from azureml_inference_server_http.api.aml_request import rawhttp
from PIL import Image
from preprocessing import Preprocessing, decode

FASHION_MNIST = Preprocessing(28, 28, 1, "pad")


def init() -> None:
    """Load the decoders."""
    Image.preinit()


@rawhttp
def run(request: Any) -> str:
    """Answer with the pixels."""
    return base64.b64encode(decode(request.get_data(), FASHION_MNIST)).decode()
