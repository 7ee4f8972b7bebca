"""Names of endpoints and deployments: Azure's rule, and the names we derive."""

from __future__ import annotations

import re

from kfp_azureml.azureml.content import text_hash
from kfp_azureml.errors import DeploymentError

LONGEST = 32
_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]{1,30})[A-Za-z0-9]")


def check_name(name: str, what: str) -> None:
    """Check an endpoint's or deployment's name.

    Args:
        name: The name.
        what: The parameter it came in, for the message.

    Raises:
        DeploymentError: If Azure would not take it.
    """
    if not _NAME.fullmatch(name):
        raise DeploymentError(
            f"{what} {name!r}: Azure takes 3 to {LONGEST} letters, digits and dashes, a letter first and no dash last"
        )


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
