"""An artifact's metadata as Kubeflow would store it, or a failed assertion where its launcher would fail the step."""

import json

from google.protobuf import json_format, struct_pb2
from kfp.dsl import Artifact

MOST_BYTES = 64 * 1024
"""Our own limit: metadata is read with every page that shows the run."""


def stored_metadata(artifact: Artifact) -> dict:
    """Return the metadata after its way through JSON and protobuf: numbers are floats then."""
    # Go's parser takes no NaN and no Infinity, which Python writes unasked; and nulls have no place in the store.
    text = json.dumps(artifact.metadata, allow_nan=False)
    assert len(text) <= MOST_BYTES
    assert None not in artifact.metadata.values()
    return json_format.MessageToDict(json_format.Parse(text, struct_pb2.Struct()))
