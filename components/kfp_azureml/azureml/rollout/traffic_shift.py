"""Moving traffic to a deployment: in steps, watched, and back if anything goes wrong from there on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kfp_azureml.azureml.rollout.deployment import log_container
from kfp_azureml.azureml.rollout.desired_state import DesiredState
from kfp_azureml.azureml.rollout.endpoint import (
    live_traffic,
    read_endpoint,
    set_mirror,
    set_traffic,
    take_traffic_from,
)
from kfp_azureml.azureml.rollout.marker import Marker
from kfp_azureml.azureml.rollout.probe import Probe, Scoring
from kfp_azureml.azureml.rollout.soak import check_latency, watch
from kfp_azureml.azureml.rollout.strategy import Strategy
from kfp_azureml.azureml.rollout.traffic import in_words, with_share
from kfp_azureml.azureml.waiting import Deadline
from kfp_azureml.runtime.errors import DeploymentError, KfpAzuremlError
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from kfp_azureml.azureml.rollout.azure_monitor import RequestMetrics

ROLLBACK_SECONDS = 600.0  # of its own: the way back is not cut short by a long way there

logger = logging.getLogger(__name__)


def check_before_traffic(
    client: MLClient, scoring: Scoring, probe: Probe | None, desired: DesiredState, strategy: Strategy
) -> None:
    """Ask a deployment before it gets traffic, and see that it answers rightly and quickly enough.

    Raises:
        DeploymentError: If it does not; the end of its container's log is then in ours.
    """
    if probe is None:
        progress(
            f"deployment {desired.deployment}: gets traffic unasked, as there is neither a sample nor a request for it"
        )
        return
    try:
        scoring.ask(probe, desired.deployment)
        check_latency(scoring, probe, desired.deployment, strategy.limits)
    except DeploymentError:
        log_container(client, desired.endpoint, desired.deployment)
        raise
    progress(f"deployment {desired.deployment}: answered rightly, now it may get traffic")


def shift_traffic(
    client: MLClient,
    desired: DesiredState,
    marker: Marker,
    strategy: Strategy,
    scoring: Scoring,
    probe: Probe | None,
    metrics: RequestMetrics | None,
    deadline: Deadline,
) -> dict[str, int]:
    """Give the plan's deployment all the traffic of its endpoint, as the strategy says.

    A roll-out that was broken off goes on where it was: at the share that the deployment has.

    Args:
        client: A client of the workspace.
        desired: Which deployment of which endpoint; it is up, and has answered.
        marker: The traffic to go back to; it is on the endpoint.
        strategy: In which steps, watched for how long.
        scoring: How the endpoint is asked.
        probe: What it is asked; None: nothing.
        metrics: What Azure Monitor tells of the deployment; None where it does not.
        deadline: When to give up.

    Returns:
        The traffic as it is now, percentages by deployment.

    Raises:
        DeploymentError: If the deployment exceeds a limit, or Azure does not move the traffic. Traffic is then put back
            as it was; the message says if that failed too.
    """
    with putting_back(client, desired, marker, deadline):
        if marker.before:
            _mirror(client, desired, strategy, scoring, probe, metrics, deadline)
        return _move(client, desired, marker, strategy, scoring, probe, metrics, deadline)


@contextmanager
def putting_back(client: MLClient, desired: DesiredState, marker: Marker, deadline: Deadline) -> Iterator[None]:
    """Take the traffic from the plan's deployment again if anything goes wrong inside the block.

    Whether a move had begun, or goes on in Azure: what counts is what is live in the end. The end of the container's
    log is then in ours.

    Raises:
        Exception: What the block raised; one of ours says what became of the traffic.
    """
    try:
        yield
    except Exception as error:
        outcome = _put_back(client, desired.endpoint, marker, Deadline(ROLLBACK_SECONDS, deadline.look_at))
        log_container(client, desired.endpoint, desired.deployment)
        if isinstance(error, KfpAzuremlError):
            raise type(error)(f"{error}; {outcome}") from error
        logger.error("endpoint %s: %s", desired.endpoint, outcome)  # noqa: TRY400 - the error goes on its way
        raise


def _put_back(client: MLClient, endpoint_name: str, marker: Marker, deadline: Deadline) -> str:
    """Take all traffic from a deployment again, and give it to those that had it; say how that went."""
    try:
        _, left = take_traffic_from(client, endpoint_name, marker, deadline)
    except KfpAzuremlError as error:
        return (
            f"and the traffic could not be put back, {marker.deployment} may have a share of it: set it by hand to "
            f"{in_words(marker.before)} ({error})"
        )
    if left == marker.before:
        return f"the traffic is as it was: {in_words(left)}"
    return f"the traffic is {in_words(left)}, as somebody else has moved it"


def _mirror(
    client: MLClient,
    desired: DesiredState,
    strategy: Strategy,
    scoring: Scoring,
    probe: Probe | None,
    metrics: RequestMetrics | None,
    deadline: Deadline,
) -> None:
    if not strategy.mirror_percent or desired.deployment in live_traffic(read_endpoint(client, desired.endpoint)):
        return
    set_mirror(client, desired.endpoint, desired.deployment, strategy.mirror_percent, deadline)
    stage = f"{strategy.mirror_percent} % of the traffic mirrored"
    watch(scoring, probe, desired.deployment, strategy.soak_seconds, strategy.limits, metrics, stage)
    set_mirror(client, desired.endpoint, desired.deployment, 0, deadline)


def _move(
    client: MLClient,
    desired: DesiredState,
    marker: Marker,
    strategy: Strategy,
    scoring: Scoring,
    probe: Probe | None,
    metrics: RequestMetrics | None,
    deadline: Deadline,
) -> dict[str, int]:
    traffic = live_traffic(read_endpoint(client, desired.endpoint))
    reached = traffic.get(desired.deployment, 0)
    if not reached:
        # Nothing is moved yet, so nobody else may have moved anything either: another roll-out may have ended since.
        traffic = dict(marker.before)
    steps = [share for share in strategy.steps if share >= reached] if marker.before else [100]
    for share in steps:
        wanted = with_share(marker.before, desired.deployment, share)
        set_traffic(client, desired.endpoint, wanted, deadline, marker=marker, instead_of=traffic)
        traffic = wanted
        if probe is not None:
            scoring.ask(probe, desired.deployment, by_traffic=share == 100)
        if marker.before:
            stage = f"{share} % of the traffic"
            watch(scoring, probe, desired.deployment, strategy.soak_seconds, strategy.limits, metrics, stage)
    return traffic
