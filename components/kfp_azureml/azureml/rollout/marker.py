"""Marker of an unfinished rollout, kept in the endpoint's tags.

A rollout marks its endpoint before the first change and removes the marker after the last. So if the process dies, the
next attempt knows the traffic to go back to, and `kfp-azureml reconcile` finds the rollout by its run id. Marker and
traffic are written in one request, so that they always agree.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from kfp_azureml.runtime.errors import DeploymentError

TAG_PREFIX = "kfp_azureml.rollout."
MAX_TAG_LENGTH = 256  # Azure Resource Manager's limit for a tag's value

ENDPOINT, DEPLOYMENT = "endpoint", "deployment"


@dataclass(frozen=True)
class Marker:
    """An unfinished rollout.

    Attributes:
        deployment: The deployment being rolled out.
        run_id: The pipeline run; empty outside a pipeline.
        before: The live traffic before the rollout, percentages by deployment.
        made: Which of `ENDPOINT` and `DEPLOYMENT` the rollout creates.
        since: Start of the last attempt, in seconds since the epoch.
    """

    deployment: str
    run_id: str
    before: Mapping[str, int]
    made: tuple[str, ...]
    since: int = field(default_factory=lambda: int(time.time()))

    @property
    def tag(self) -> str:
        """The tag's name."""
        return TAG_PREFIX + self.deployment

    @property
    def value(self) -> str:
        """The tag's value.

        Raises:
            DeploymentError: If it is longer than Azure allows.
        """
        document = {"run": self.run_id, "before": dict(self.before), "made": self.made, "since": self.since}
        text = json.dumps(document, separators=(",", ":"))
        if len(text) > MAX_TAG_LENGTH:
            raise DeploymentError(
                f"deployment {self.deployment}: the endpoint's traffic is split among {len(self.before)} "
                "deployments, too many for the tag that marks the rollout: reduce their number first"
            )
        return text


def read_markers(tags: Mapping[str, str] | None) -> list[Marker]:
    """Return the markers on an endpoint; invalid ones are skipped."""
    found = []
    for name, value in (tags or {}).items():
        if not name.startswith(TAG_PREFIX):
            continue
        try:
            document = json.loads(value)
            found.append(
                Marker(
                    deployment=name.removeprefix(TAG_PREFIX),
                    run_id=str(document["run"]),
                    before={str(one): int(share) for one, share in document["before"].items()},
                    made=tuple(document["made"]),
                    since=int(document["since"]),
                )
            )
        except (ValueError, OverflowError, KeyError, TypeError, AttributeError):
            continue
    return found


def find_marker(tags: Mapping[str, str] | None, deployment: str) -> Marker | None:
    """Return the marker of a deployment's rollout; None if there is none."""
    return next((marker for marker in read_markers(tags) if marker.deployment == deployment), None)
