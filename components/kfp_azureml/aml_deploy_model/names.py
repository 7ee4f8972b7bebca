"""Names of endpoints and deployments: Azure's rule, and the name we derive."""

from __future__ import annotations

import re

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


def derived_name(model_version: str, fingerprint: str) -> str:
    """Name a deployment after its model's version and all that it is made of.

    Two different deployments never meet in one name, and a retried step finds its own again.

    Args:
        model_version: The model's version; anything Azure ML takes.
        fingerprint: A hash over what is deployed, in hex digits.
    """
    suffix = f"-{fingerprint[:8]}"
    version = re.sub(r"[^A-Za-z0-9]+", "-", model_version).strip("-")
    return f"v{version[: LONGEST - len(suffix) - 1]}{suffix}"
