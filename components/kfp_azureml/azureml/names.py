"""Validate names in Azure ML and derive names of endpoints and deployments."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kfp_azureml.azureml.content_hash import text_hash
from kfp_azureml.runtime.errors import InvalidNameError

MAX_LENGTH = 32


@dataclass(frozen=True)
class NameRule:
    """The rule for names of one kind.

    Attributes:
        pattern: Matches a valid name.
        text: The rule in words.
    """

    pattern: re.Pattern[str]
    text: str


ENDPOINT = NameRule(
    re.compile(r"[A-Za-z](?:[A-Za-z0-9-]{1,30})[A-Za-z0-9]"),
    f"3 to {MAX_LENGTH} letters, digits and dashes, starting with a letter and not ending with a dash",
)
"""Endpoints and deployments."""
MODEL = NameRule(
    re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}"),
    "at most 255 letters, digits, dashes, underscores and dots, starting with a letter or digit",
)
"""Models and their versions."""
RESOURCE = NameRule(
    re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}"),
    "at most 255 letters, digits, dashes, underscores and dots, starting with a letter, digit or underscore",
)
"""Jobs, components and versions."""


def check_name(rule: NameRule, name: str, what: str) -> None:
    """Validate a name before it becomes part of a URL.

    Args:
        rule: The rule for its kind.
        name: The name.
        what: The parameter or resource, for the message.

    Raises:
        InvalidNameError: If the name is invalid.
    """
    if not rule.pattern.fullmatch(name):
        raise InvalidNameError(f"{what} {name!r} is not a valid name: use {rule.text}")


def derived_endpoint_name(model_name: str, workspace_id: str) -> str:
    """Derive an endpoint's name from its model and workspace.

    Endpoint names are unique in an Azure region, model names in a workspace only.

    Args:
        model_name: The model's valid name.
        workspace_id: The workspace's Azure resource id, in any case.
    """
    name = _dashed(model_name).lower()
    return _hashed(name if name[:1].isalpha() else f"m-{name}", text_hash(workspace_id.lower()))


def derived_deployment_name(model_version: str, fingerprint: str) -> str:
    """Derive a deployment's name from its model version and the hash of its configuration.

    Different deployments get different names, and a retried step finds its own deployment.

    Args:
        model_version: The model's valid version.
        fingerprint: Hash of the deployed configuration, in hex digits.
    """
    return _hashed(f"v{_dashed(model_version)}", fingerprint)


def _dashed(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")


def _hashed(name: str, digest: str) -> str:
    suffix = f"-{digest[:8]}"
    return name[: MAX_LENGTH - len(suffix)].rstrip("-") + suffix
