"""Where the workers' pods find data and checkpoint, and with which credentials."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kfp_azureml.azcreds import KEYS
from kfp_azureml.imagesets.source import without_secrets
from kfp_azureml.runtime.errors import DataError

AZURE_SCHEMES = ("abfs", "abfss", "az", "wasbs")
_S3_SCHEMES = ("s3", "minio")
_SUPPORTED = "abfss://, az://, s3://, minio:// (Kubeflow's object store) or a path on a volume that they mount"
_ACCESS_KEY, _SECRET_KEY = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"


@dataclass(frozen=True)
class Access:
    """How pods access the storage, as environment variables of their containers.

    Attributes:
        environ: Variables by name.
        secrets: Variables from keys of Kubernetes secrets, as (secret, key).
    """

    environ: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def __or__(self, other: Access) -> Access:
        return Access({**self.environ, **other.environ}, {**self.secrets, **other.secrets})


def shared_address(what: str, address: str) -> str:
    """Return an address as all pods can use it: minio:// becomes s3://.

    Args:
        what: The parameter, for the message.
        address: A URI, or an absolute path on a volume.

    Raises:
        DataError: If not every pod could use it, or it has secrets.
    """
    scheme, found, rest = address.partition("://")
    if rest:
        check_no_secrets(what, address)
    scheme = scheme.lower() if found else ""
    if not found and address.startswith("/"):
        return address
    if scheme not in (*AZURE_SCHEMES, *_S3_SCHEMES, "file") or not rest:
        raise DataError(f"{what} {address!r}: the workers are pods of their own; use {_SUPPORTED}")
    return f"s3://{rest}" if scheme == "minio" else address


def check_no_secrets(what: str, address: str) -> None:
    """Refuse an address with a query or a password: it stands in the TrainJob, which others may read.

    Raises:
        DataError: If it has one; it is not in the message.
    """
    if "://" in address and (shown := without_secrets(address)).lower() != address.rstrip("/").lower():
        raise DataError(f"{what} {shown}: has a query or a user, which the TrainJob would show to others: leave it out")


def azure_access(secret: str) -> Access:
    """Return the access to Azure storage with a secret like azcreds; empty for workload identity."""
    return Access(secrets={key: (secret, key) for key in KEYS} if secret else {})


def artifact_store_access(metadata: Mapping[str, Any]) -> Access:
    """Return the access to the object store of an artifact, which Kubeflow describes in its metadata.

    Args:
        metadata: The artifact's metadata. `store_session_info` is there since Kubeflow Pipelines 2.0.4, for stores that
            are reached as S3 is.
    """
    try:
        session = json.loads(metadata.get("store_session_info") or "{}")
    except (TypeError, ValueError):
        session = {}
    given = session.get("Params") or {}
    if session.get("Provider") not in _S3_SCHEMES:
        return Access()
    environ = {"AWS_DEFAULT_REGION": given["region"]} if given.get("region") else {}
    if endpoint := given.get("endpoint"):
        protocol = "http" if given.get("disableSSL", "").lower() == "true" else "https"
        environ["AWS_ENDPOINT_URL"] = endpoint if "://" in endpoint else f"{protocol}://{endpoint}"
        # Stores other than Amazon's do not all know the checksums that clients add by default.
        environ["AWS_REQUEST_CHECKSUM_CALCULATION"] = environ["AWS_RESPONSE_CHECKSUM_VALIDATION"] = "when_required"
    if given.get("fromEnv", "").lower() == "true" or not given.get("secretName"):
        return Access(environ)
    name = given["secretName"]
    keys = {_ACCESS_KEY: (name, given["accessKeyKey"]), _SECRET_KEY: (name, given["secretKeyKey"])}
    return Access(environ, keys)


@contextmanager
def variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables of this process in the block, unless they are set already."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
