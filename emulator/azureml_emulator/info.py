"""What a client needs to know about a running emulator."""

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
"""In the state folder; held while any process of an emulator uses it."""
LOOPBACK = "localhost,127.0.0.1,::1"
CLIENT_VARIABLES = (
    *("AZ_SUBSCRIPTION_ID", "AZ_TENANT_ID", "AZ_CLIENT_ID", "AZ_CLIENT_SECRET"),
    *("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"),
    *("ARM_TENANT_ID", "ARM_CLIENT_ID", "ARM_CLIENT_SECRET", "DATABRICKS_HOST"),
    *("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"),
    *("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"),
)
"""The variables of `client_environment`."""


@dataclass(frozen=True)
class EmulatorInfo:
    """A running emulator, as in its ready line and in `emulator.json`.

    Attributes:
        pid: The emulator's process id.
        state_dir: Folder with its state and logs.
        proxy_url: The proxy that Azure clients must use.
        ca_file: Certificate of the authority that signed its certificates.
        environment: All variables a client process needs, credentials included.
        resource_group: Name of its resource group.
        workspace: Name of its workspace.
        control_url: Address of the control API; empty without --control.
        control_token: The control API's bearer token.
        databricks_token: A personal access token of the Databricks workspace. `environment` does not name it: it
            signs in with the client secret, and databricks-sdk refuses to choose between two ways.
        federated_token_file: A token that replaces the client secret, as with workload identity. `environment` does
            not name it: azure-identity looks for AZURE_FEDERATED_TOKEN_FILE.
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
    databricks_token: str = field(default="", repr=False)

    def to_json(self) -> str:
        """Write it as one JSON line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> EmulatorInfo:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


def client_environment(settings: Settings, certificates: Certificates, proxy_url: str) -> dict[str, str]:
    """Return the environment that sends unmodified Azure clients to the emulator."""
    environment = {
        "AZ_SUBSCRIPTION_ID": settings.subscription_id,
        "AZ_TENANT_ID": settings.tenant_id,
        "AZ_CLIENT_ID": settings.client_id,
        "AZ_CLIENT_SECRET": settings.client_secret,
        # Read by azure-identity's DefaultAzureCredential.
        "AZURE_TENANT_ID": settings.tenant_id,
        "AZURE_CLIENT_ID": settings.client_id,
        "AZURE_CLIENT_SECRET": settings.client_secret,
        "DATABRICKS_HOST": f"https://{settings.databricks_host}",
        # Read by databricks-sdk, and by Terraform.
        "ARM_TENANT_ID": settings.tenant_id,
        "ARM_CLIENT_ID": settings.client_id,
        "ARM_CLIENT_SECRET": settings.client_secret,
        # requests reads the first, OpenSSL and httpx the second, curl the third.
        "REQUESTS_CA_BUNDLE": str(certificates.bundle),
        "SSL_CERT_FILE": str(certificates.bundle),
        "CURL_CA_BUNDLE": str(certificates.bundle),
    }
    # Clients read upper or lower case names, and the caller may have set either.
    # A caller's NO_PROXY could list Azure's hosts.
    for name, value in (("HTTPS_PROXY", proxy_url), ("NO_PROXY", LOOPBACK)):
        environment[name] = environment[name.lower()] = value
    return environment


def write_federated_token(settings: Settings) -> Path:
    """Write the federated token into the state folder, as clusters mount it in pods."""
    path = settings.state_dir / "federated-token"
    path.touch(mode=0o600)
    path.write_text(settings.federated_token)
    return path


def write_info(info: EmulatorInfo) -> Path:
    """Write `emulator.json` into the state folder."""
    path = Path(info.state_dir) / FILE_NAME
    path.write_text(info.to_json())
    return path
