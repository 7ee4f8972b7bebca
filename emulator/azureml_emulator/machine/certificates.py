"""A temporary certificate authority: new at each start, its key stays in memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import certifi
import trustme

HOSTS = (
    "management.azure.com",
    "login.microsoftonline.com",
    "*.api.azureml.ms",
    "*.azureml-emulator.azureml.ms",
    "*.inference.ml.azure.com",
    "*.blob.core.windows.net",
    "*.azuredatabricks.net",
    # The second label of a workspace's host is its number modulo 20.
    *(f"*.{number}.azuredatabricks.net" for number in range(20)),
    "127.0.0.1",
)


@dataclass(frozen=True)
class Certificates:
    """PEM files.

    Attributes:
        authority: The authority's certificate.
        bundle: The caller's trusted certificates and the authority's.
        chain: The server's certificate chain, for all emulated host names.
        key: The server's private key.
    """

    authority: Path
    bundle: Path
    chain: Path
    key: Path


def make_certificates(folder: Path, location: str, environment: Mapping[str, str] = os.environ) -> Certificates:
    """Create an authority and one server certificate.

    Args:
        folder: Folder of the files; created if needed.
        location: The Azure region in the host names of endpoints.
        environment: May name the caller's own certificate bundle.
    """
    folder.mkdir(exist_ok=True)
    files = Certificates(folder / "ca.pem", folder / "bundle.pem", folder / "server.pem", folder / "server.key")
    authority = trustme.CA()
    # A wildcard covers one label; names of endpoints have the region as a second one.
    server = authority.issue_cert(*HOSTS, f"*.{location}.inference.ml.azure.com")
    files.authority.write_bytes(authority.cert_pem.bytes())
    files.bundle.write_bytes(_caller_bundle(environment) + b"\n" + authority.cert_pem.bytes())
    files.chain.write_bytes(b"".join(blob.bytes() for blob in server.cert_chain_pems))
    files.key.write_bytes(server.private_key_pem.bytes())
    return files


def _caller_bundle(environment: Mapping[str, str]) -> bytes:
    """Read the caller's bundle: from the variable of requests, else from OpenSSL's."""
    for variable in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        path = Path(environment.get(variable, ""))
        if path.is_file():
            return path.read_bytes()
    return Path(certifi.where()).read_bytes()
