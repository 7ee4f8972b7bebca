"""Read and validate the values of the secret `azcreds`; messages never contain them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kfp_azureml.azcreds import KEYS, malformed_reason
from kfp_azureml.runtime.errors import CredentialsError
from kfp_azureml.runtime.text_files import read_user_text

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_GUIDS = ("AZ_SUBSCRIPTION_ID", "AZ_TENANT_ID", "AZ_CLIENT_ID")
# Also the assignments of sh, cmd and PowerShell, and `KEY = VALUE`.
_LINE = re.compile(r"\s*(?:export\s+|set\s+|\$env:)?(\w+)\s*=\s*(.*)", re.IGNORECASE)
_KEY = re.compile(rf"[^\w#]*(?:\w+\s+[^\w#]*)?({'|'.join(KEYS)})\b")
_QUOTED = re.compile(r"(['\"])(.*)\1\s*")
# Names in the output of `az ad sp create-for-rbac`, and with --json-auth (formerly --sdk-auth).
_NAMES_OF_AZ = {
    "tenant": "AZ_TENANT_ID",
    "appId": "AZ_CLIENT_ID",
    "password": "AZ_CLIENT_SECRET",
    "subscriptionId": "AZ_SUBSCRIPTION_ID",
    "tenantId": "AZ_TENANT_ID",
    "clientId": "AZ_CLIENT_ID",
    "clientSecret": "AZ_CLIENT_SECRET",
}


@dataclass(frozen=True)
class SecretValues:
    """The four validated values.

    Attributes:
        by_key: The value of each of `azcreds.KEYS`.
    """

    by_key: Mapping[str, str] = field(repr=False)

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            CredentialsError: If one is missing, empty, malformed (see `malformed_reason`) or not a GUID where required.
        """
        for key in KEYS:
            value = self.by_key.get(key, "")
            if not value.strip():
                raise CredentialsError(f"{key} is empty: set it in the file or environment")
            if wrong := malformed_reason(value):
                raise CredentialsError(f"{key} {wrong}")
            if key in _GUIDS and not _GUID.fullmatch(value):
                raise CredentialsError(f"{key} is not an id such as 01234567-89ab-cdef-0123-456789abcdef")


def read_values(
    file: Path | None, ask: Callable[[str], str] | None, environ: Mapping[str, str] = os.environ
) -> SecretValues:
    """Return the values from a file, environment variables or prompts, in this order.

    Args:
        file: File with KEY=VALUE lines or the JSON of `az ad sp create-for-rbac`; may be None.
        ask: Prompts for the value of a key; None if not on a terminal.
        environ: The environment variables.

    Raises:
        CredentialsError: If a value is missing or invalid, or the file cannot be read.
    """
    found = {key: environ[key] for key in KEYS if key in environ} | (_read_file(file) if file else {})
    missing = [key for key in KEYS if key not in found]
    if missing and ask is None:
        raise CredentialsError(
            f"{', '.join(missing)} missing: set environment variables or --from-file, or run this on a terminal"
        )
    if ask is not None:
        found |= {key: ask(key) for key in missing}
    return SecretValues(found)


def _read_file(path: Path) -> dict[str, str]:
    text = read_user_text(path, CredentialsError, name=f"file {path}")
    values = _of_json(path, text) if text.lstrip().startswith("{") else _of_lines(path, text)
    if not values:
        raise CredentialsError(f"file {path}: has none of {', '.join(KEYS)}")
    return values


def _of_json(path: Path, text: str) -> dict[str, str]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise CredentialsError(f"file {path}: not JSON (line {error.lineno})") from None
    except RecursionError:
        raise CredentialsError(f"file {path}: JSON is nested too deeply") from None
    named = {_NAMES_OF_AZ.get(name, name): value for name, value in document.items()}
    return {key: str(named[key] or "") for key in KEYS if key in named}


def _of_lines(path: Path, text: str) -> dict[str, str]:
    values = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if (found := _LINE.fullmatch(line)) and found[1] in KEYS:
            quoted = _QUOTED.fullmatch(found[2])
            values[found[1]] = quoted[2] if quoted else found[2]
        elif (key := _KEY.match(line)) and not found:
            raise CredentialsError(f"file {path}, line {number}: expected {key[1]}=VALUE")
    return values
