"""Look up a run's artifacts in ML Metadata as Kubeflow's UI does: gRPC-Web through the UI's server.

Not verified against a real UI server; it follows the sources of Kubeflow Pipelines 2.17.0 (frontend/src/mlmd,
frontend/server/app.ts, ML Metadata's protos).
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from kfp_azureml.kubeflow.bounded_requests import BoundedRequests

_SERVICE = "ml_metadata.MetadataStoreService"
_KIND = "application/grpc-web+proto"
_RUN = "system.PipelineRun"
_FRAME = struct.Struct(">BI")
_MESSAGES = {
    # Only the fields used here, with their numbers; protobuf skips the others.
    "GetContextByTypeAndNameRequest": {"type_name": (1, "STRING"), "context_name": (2, "STRING")},
    "Context": {"id": (1, "INT64")},
    "GetContextByTypeAndNameResponse": {"context": (1, "Context")},
    "GetArtifactsByContextRequest": {"context_id": (1, "INT64")},
    "Artifact": {"id": (1, "INT64"), "uri": (3, "STRING")},
    "GetArtifactsByContextResponse": {"artifacts": (1, "[Artifact]")},
}


def artifact_uris(requests: BoundedRequests, run_id: str) -> list[str]:
    """Return the URIs of a run's output artifacts, the oldest first; empty if there is no ML Metadata."""
    from google.protobuf.message import DecodeError

    try:
        context = _call(requests, "GetContextByTypeAndName", type_name=_RUN, context_name=run_id).context.id
        artifacts = _call(requests, "GetArtifactsByContext", context_id=context).artifacts if context else []
    except DecodeError:
        return []
    return [artifact.uri for artifact in sorted(artifacts, key=lambda one: one.id)]


def _call(requests: BoundedRequests, method: str, **fields: Any) -> Any:
    place = urlsplit(requests.address)
    body = message(f"{method}Request", **fields).SerializeToString()
    # At the host's root even if the UI is at /pipeline (base/metadata/options/istio).
    url = f"{place.scheme}://{place.netloc}/{_SERVICE}/{method}"
    answer = requests.post(url, _FRAME.pack(0, len(body)) + body, _KIND)
    return message(f"{method}Response").FromString(_first_frame(answer))


def _first_frame(answer: bytes) -> bytes:
    """Return the message of a gRPC-Web response; empty if it has only trailers."""
    if len(answer) < _FRAME.size:
        return b""
    flags, size = _FRAME.unpack_from(answer)
    return answer[_FRAME.size : _FRAME.size + size] if flags == 0 else b""


def message(name: str, **fields: Any) -> Any:
    """Create a message of ML Metadata.

    Args:
        name: Its name in ML Metadata's protos.
        **fields: Its fields.
    """
    return _classes()[name](**fields)


@cache
def _classes() -> dict[str, Any]:
    from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

    kinds = [{"name": name, "field": [_field(*one) for one in fields.items()]} for name, fields in _MESSAGES.items()]
    file = {"name": "kfp_azureml/ml_metadata.proto", "package": "ml_metadata", "messageType": kinds}
    pool = descriptor_pool.DescriptorPool()
    pool.Add(json_format.ParseDict(file, descriptor_pb2.FileDescriptorProto()))
    found = {name: pool.FindMessageTypeByName(f"ml_metadata.{name}") for name in _MESSAGES}
    return {name: message_factory.GetMessageClass(descriptor) for name, descriptor in found.items()}


def _field(name: str, about: tuple[int, str]) -> dict[str, Any]:
    number, kind = about
    label = "LABEL_REPEATED" if kind.startswith("[") else "LABEL_OPTIONAL"
    kind = kind.strip("[]")
    typed = {"typeName": f".ml_metadata.{kind}"} if kind in _MESSAGES else {"type": f"TYPE_{kind}"}
    return {"name": name, "number": number, "label": label, **typed}
