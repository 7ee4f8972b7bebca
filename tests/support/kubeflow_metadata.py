"""Artifact metadata as Kubeflow stores it; asserts what its launcher would refuse."""

import json

from google.protobuf import json_format, struct_pb2
from kfp.dsl import Artifact

MOST_BYTES = 64 * 1024
"""Our own limit, since metadata is loaded with every page that shows the run."""


def stored_metadata(artifact: Artifact) -> dict:
    """Return the metadata after JSON and protobuf, where numbers are floats."""
    # Go's parser refuses NaN and Infinity, which Python writes by default; the store has no nulls.
    text = json.dumps(artifact.metadata, allow_nan=False)
    assert len(text) <= MOST_BYTES
    assert None not in artifact.metadata.values()
    return json_format.MessageToDict(json_format.Parse(text, struct_pb2.Struct()))
