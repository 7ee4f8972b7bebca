"""Decode images in a process of its own, `python -m kfp_azureml.steps.prep.decode_images`.

A request on stdin is a line of JSON, `{"size": BYTES, "wanted": PREPROCESSING or null}`, followed by the bytes of an
encoded image. The answer on stdout is a line of JSON, `{"size": BYTES}` followed by so many bytes of pixels,
`{"header": [HEIGHT, WIDTH, CHANNELS]}` if no preprocessing is wanted, or `{"reason": TEXT}` for a bad image.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings

from kfp_azureml.imagesets.preprocessing import BadImageError, Preprocessing, decode, read_header


def main() -> None:
    """Answer requests until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the step ends this process
    warnings.simplefilter("ignore")  # of odd but usable files; the limit of decompression bombs is ours
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    while line := requests.readline():
        request = json.loads(line)
        data = requests.read(request["size"])
        pixels = b""
        try:
            if request["wanted"]:
                pixels = decode(data, Preprocessing(**request["wanted"]))
                answer: dict[str, object] = {"size": len(pixels)}
            else:
                answer = {"header": read_header(data)}
        except BadImageError as error:
            answer = {"reason": str(error)}
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.write(pixels)
        answers.flush()


if __name__ == "__main__":
    main()
