"""The workspace of `make test-azure`, and the run that uses it."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from kfp_azureml.images import REGISTRY, TAG

RUN_TAG = "kfp-azureml-test"
"""Tag of everything that a run creates; nothing without it is ever removed."""
_PREFIX = re.compile(r"kfpaz[0-9a-z]{6,14}")  # an endpoint's name has 32 characters
_STARTED = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Run:
    """A run of the tests.

    Attributes:
        prefix: Prefix of the names of all that it creates.
        started: When it began.
    """

    prefix: str
    started: datetime

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            raise ValueError(f"AZURE_TEST_PREFIX {self.prefix!r}: give kfpaz and 6 to 14 lower-case letters and digits")

    @property
    def tags(self) -> dict[str, str]:
        """Tags of all that it creates."""
        return {RUN_TAG: f"{self.prefix} {self.started.strftime(_STARTED)}"}

    @property
    def version(self) -> str:
        """Version of the suite's components in this run, whose names have no prefix."""
        return f"0.0.0.dev{int(self.prefix.removeprefix('kfpaz'), 36)}"

    def hours(self) -> float:
        """Return how long ago it began."""
        return (datetime.now(UTC) - self.started).total_seconds() / 3600


def run_from(environ: Mapping[str, str] = os.environ) -> Run:
    """Return a new run; AZURE_TEST_PREFIX gives its prefix.

    Raises:
        ValueError: If that is not one.
    """
    return Run(environ.get("AZURE_TEST_PREFIX") or f"kfpaz{secrets.token_hex(4)}", datetime.now(UTC))


def leftover_hours(environ: Mapping[str, str] = os.environ) -> float:
    """Return from which age on a run has certainly ended, and what it created is a leftover.

    Raises:
        ValueError: If AZURE_TEST_LEFTOVER_HOURS is not a number.
    """
    given = environ.get("AZURE_TEST_LEFTOVER_HOURS") or "6"
    try:
        return float(given)
    except ValueError:
        raise ValueError(f"AZURE_TEST_LEFTOVER_HOURS {given!r} is not a number") from None


def run_of_tags(tags: Mapping[str, str] | None) -> Run | None:
    """Return the run that created a resource; None if none of ours did."""
    prefix, _, started = ((tags or {}).get(RUN_TAG) or "").partition(" ")
    try:
        return Run(prefix, datetime.strptime(started, _STARTED).replace(tzinfo=UTC))
    except ValueError:
        return None


@dataclass(frozen=True)
class Place:
    """Names and settings of the workspace.

    Attributes:
        names: Resource group and workspace, as the steps take them.
        run: The run.
        is_local: Whether it is the emulator, which costs nothing.
        registry: Registry of the images.
        tag: Tag of the images.
        compute: Compute of pipeline jobs.
        instance_type: VM size of endpoints and serverless jobs.
    """

    names: Mapping[str, str]
    run: Run
    is_local: bool = False
    registry: str = REGISTRY
    tag: str = TAG
    compute: str = "serverless"
    instance_type: str = "Standard_DS3_v2"


def place_from(run: Run, *, needs_images: bool, environ: Mapping[str, str] = os.environ) -> Place:
    """Return the workspace that the environment names.

    Args:
        run: The run.
        needs_images: Whether jobs will run.
        environ: The environment variables.

    Raises:
        ValueError: If variables are missing.
    """
    needed = ["AZURE_TEST_RESOURCE_GROUP", "AZURE_TEST_WORKSPACE", "AZ_SUBSCRIPTION_ID"]
    needed += ["AZURE_TEST_REGISTRY"] if needs_images else []
    missing = [name for name in needed if not environ.get(name)]
    if missing:
        raise ValueError(f"set {', '.join(missing)}, or EMULATOR=1 for the Azure ML emulator")
    return Place(
        {"resource_group": environ["AZURE_TEST_RESOURCE_GROUP"], "workspace": environ["AZURE_TEST_WORKSPACE"]},
        run,
        registry=environ.get("AZURE_TEST_REGISTRY") or REGISTRY,
        tag=environ.get("AZURE_TEST_TAG") or TAG,
        compute=environ.get("AZURE_TEST_COMPUTE") or "serverless",
        instance_type=environ.get("AZURE_TEST_INSTANCE_TYPE") or "Standard_DS3_v2",
    )
