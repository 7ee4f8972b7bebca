"""What a client needs to know of a running emulator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azureml_emulator.machine.certificates import Certificates
    from azureml_emulator.settings import Settings

FILE_NAME = "emulator.json"
LOCK_NAME = "lock"
"""In the state folder: held as long as anything of an emulator runs on it."""
LOOPBACK = "localhost,127.0.0.1,::1"


@dataclass(frozen=True)
class EmulatorInfo:
    """A running emulator, as its ready line and `emulator.json` in its state folder tell.

    Attributes:
        pid: The emulator's process.
        state_dir: Where its state and logs are.
        proxy_url: The proxy that clients of Azure must use.
        ca_file: Certificate of the authority that signed its certificates.
        environment: All variables that a client process needs, credentials included.
        resource_group: Name of its resource group.
        workspace: Name of its workspace.
        control_url: Where its control API is; empty when it was started without.
        control_token: The control API's bearer token.
        federated_token_file: A token that signs in in place of the client secret, as with workload identity. No
            variable of `environment` names it: AZURE_FEDERATED_TOKEN_FILE is what clients look for.
    """

    pid: int
    state_dir: str
    proxy_url: str
    ca_file: str
    environment: Mapping[str, str] = field(repr=False)
    resource_group: str
    workspace: str
    control_url: str = ""
    control_token: str = field(default="", repr=False)
    federated_token_file: str = ""

    def to_json(self) -> str:
        """Write it as one JSON line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> EmulatorInfo:
        """Read what `to_json` wrote.

        Args:
            text: The JSON.

        Returns:
            The same information.
        """
        return cls(**json.loads(text))


def client_environment(settings: Settings, certificates: Certificates, proxy_url: str) -> dict[str, str]:
    """Say which environment makes unmodified Azure clients talk to the emulator.

    Args:
        settings: Names and credentials.
        certificates: Whom to trust.
        proxy_url: Where the proxy is.

    Returns:
        Environment variables.
    """
    environment = {
        "AZ_SUBSCRIPTION_ID": settings.subscription_id,
        "AZ_TENANT_ID": settings.tenant_id,
        "AZ_CLIENT_ID": settings.client_id,
        "AZ_CLIENT_SECRET": settings.client_secret,
        # What azure-identity's DefaultAzureCredential reads.
        "AZURE_TENANT_ID": settings.tenant_id,
        "AZURE_CLIENT_ID": settings.client_id,
        "AZURE_CLIENT_SECRET": settings.client_secret,
        # requests reads the first, OpenSSL and httpx the second, curl the third.
        "REQUESTS_CA_BUNDLE": str(certificates.bundle),
        "SSL_CERT_FILE": str(certificates.bundle),
        "CURL_CA_BUNDLE": str(certificates.bundle),
    }
    # Some clients read the names in capitals, others those in small letters, and the caller may have set either.
    # Only this machine is reached directly: a caller's NO_PROXY could hold Azure's hosts.
    for name, value in (("HTTPS_PROXY", proxy_url), ("NO_PROXY", LOOPBACK)):
        environment[name] = environment[name.lower()] = value
    return environment


def write_federated_token(settings: Settings) -> Path:
    """Write the federated token into the state folder, as a cluster mounts it into a pod.

    Args:
        settings: The token.

    Returns:
        The file.
    """
    path = settings.state_dir / "federated-token"
    path.touch(mode=0o600)
    path.write_text(settings.federated_token)
    return path


def write_info(info: EmulatorInfo) -> Path:
    """Write `emulator.json` into the state folder.

    Args:
        info: The running emulator.

    Returns:
        The file.
    """
    path = Path(info.state_dir) / FILE_NAME
    path.write_text(info.to_json())
    return path
