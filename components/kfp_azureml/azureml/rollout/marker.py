"""What is under way on an endpoint, written where everybody can see it: in the endpoint's own tags.

A roll-out marks its endpoint before it makes or moves anything, and takes the mark away when it is done. So whatever
happens to the process, the next attempt knows the traffic to go back to, and `reconcile` finds by the run's id what a
dead run left behind. The mark and the traffic are written in one request: there is no moment when they disagree.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from kfp_azureml.runtime.errors import DeploymentError

TAG_PREFIX = "kfp_azureml.rollout."
LONGEST_TAG = 256  # characters; Azure Resource Manager's limit for a tag's value

ENDPOINT, DEPLOYMENT = "endpoint", "deployment"


@dataclass(frozen=True)
class Marker:
    """An unfinished roll-out.

    Attributes:
        deployment: The deployment that is to become live.
        run_id: The pipeline run it belongs to; empty outside of one.
        before: The live traffic that the endpoint had, percentages by deployment.
        made: Which of `ENDPOINT` and `DEPLOYMENT` the roll-out makes itself.
        since: When its last attempt began, in seconds since 1970.
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
            DeploymentError: If it is longer than Azure takes.
        """
        document = {"run": self.run_id, "before": dict(self.before), "made": self.made, "since": self.since}
        text = json.dumps(document, separators=(",", ":"))
        if len(text) > LONGEST_TAG:
            raise DeploymentError(
                f"deployment {self.deployment}: the endpoint's traffic is shared by {len(self.before)} deployments, "
                "too many to be noted in a tag while it moves: give it to fewer of them first"
            )
        return text


def read_markers(tags: Mapping[str, str] | None) -> list[Marker]:
    """Read the unfinished roll-outs of an endpoint; what somebody has altered beyond recognition is passed over."""
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
    """Return the unfinished roll-out of a deployment, if there is one."""
    return next((marker for marker in read_markers(tags) if marker.deployment == deployment), None)
