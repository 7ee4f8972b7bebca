"""Names in Azure ML: the rules for each kind, and the names we derive."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kfp_azureml.azureml.content_hash import text_hash
from kfp_azureml.runtime.errors import InvalidNameError

LONGEST = 32


@dataclass(frozen=True)
class NameRule:
    """What Azure ML accepts as a name of one kind.

    Attributes:
        pattern: Matches the whole name.
        text: The same in words.
    """

    pattern: re.Pattern[str]
    text: str


ENDPOINT = NameRule(
    re.compile(r"[A-Za-z](?:[A-Za-z0-9-]{1,30})[A-Za-z0-9]"),
    f"3 to {LONGEST} letters, digits and dashes, a letter first and no dash last",
)
"""Endpoints and deployments."""
MODEL = NameRule(
    re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}"),
    "at most 255 letters, digits, dashes, underscores and dots, a letter or digit first",
)
"""Models and their versions."""
RESOURCE = NameRule(
    re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}"),
    "at most 255 letters, digits, dashes, underscores and dots, a letter, digit or underscore first",
)
"""Whatever else has a name: jobs, components, and versions."""


def check_name(rule: NameRule, name: str, what: str) -> None:
    """Validate a name before it becomes part of an address.

    Args:
        rule: The rule for its kind.
        name: The name.
        what: What has the name, such as a parameter, for the message.

    Raises:
        InvalidNameError: If Azure ML does not accept it.
    """
    if not rule.pattern.fullmatch(name):
        raise InvalidNameError(f"{what} {name!r}: Azure ML accepts {rule.text}")


def derived_endpoint_name(model_name: str, workspace_id: str) -> str:
    """Name an endpoint after its model and its workspace.

    Endpoint names are unique in an Azure region, whoever made them; a model's name is unique in its workspace only.

    Args:
        model_name: The model's name; anything Azure ML takes.
        workspace_id: The workspace's Azure resource id, in any case.
    """
    name = _dashed(model_name).lower()
    return _hashed(name if name[:1].isalpha() else f"m-{name}", text_hash(workspace_id.lower()))


def derived_deployment_name(model_version: str, fingerprint: str) -> str:
    """Name a deployment after its model's version and all that it is made of.

    Two different deployments never meet in one name, and a retried step finds its own again.

    Args:
        model_version: The model's version; anything Azure ML takes.
        fingerprint: A hash over what is deployed, in hex digits.
    """
    return _hashed(f"v{_dashed(model_version)}", fingerprint)


def _dashed(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")


def _hashed(name: str, digest: str) -> str:
    suffix = f"-{digest[:8]}"
    return name[: LONGEST - len(suffix)].rstrip("-") + suffix
