"""Shift traffic to a deployment in monitored steps, and back if a step fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from kfp_azureml.azureml.rollout.deployment import log_container
from kfp_azureml.azureml.rollout.endpoint import (
    live_traffic,
    read_endpoint,
    set_mirror,
    set_traffic,
    take_traffic_from,
)
from kfp_azureml.azureml.rollout.marker import Marker
from kfp_azureml.azureml.rollout.rollout import Rollout
from kfp_azureml.azureml.rollout.soak import Monitor
from kfp_azureml.azureml.rollout.traffic_shares import format_traffic, with_share
from kfp_azureml.azureml.waiting import Deadline
from kfp_azureml.runtime.errors import DeploymentError, KfpAzuremlError
from kfp_azureml.runtime.step import progress

ROLLBACK_SECONDS = 600.0  # its own timeout: a rollout that timed out can still be rolled back

logger = logging.getLogger(__name__)


def smoke_test(rollout: Rollout, monitor: Monitor) -> None:
    """Probe a deployment before it gets traffic: check response and latency.

    Raises:
        DeploymentError: If the response is wrong or too slow. The end of the container's log is then logged.
    """
    name = rollout.desired.deployment
    if monitor.probe is None:
        progress(f"deployment {name}: goes live without a smoke test, since there is no sample and no request")
        return
    try:
        monitor.scoring.send(monitor.probe, name)
        monitor.check_latency()
    except DeploymentError:
        log_container(rollout.client, rollout.desired.endpoint, name)
        raise
    progress(f"deployment {name}: smoke test passed")


def shift_traffic(rollout: Rollout, marker: Marker, monitor: Monitor) -> dict[str, int]:
    """Shift all traffic of the endpoint to the deployment, as the strategy says.

    A rollout that was interrupted continues at the deployment's current share.

    Args:
        rollout: The rollout; its deployment is up and has passed the smoke test.
        marker: The rollout's marker on the endpoint, with the traffic to go back to.
        monitor: The deployment's monitor.

    Returns:
        The traffic as it is now, percentages by deployment.

    Raises:
        DeploymentError: If the deployment exceeds a limit or Azure does not move the traffic. Traffic is then rolled
            back; the message says so if that fails too.
    """
    with rolled_back_on_error(rollout, marker):
        if marker.before:
            _mirror(rollout, monitor)
        return _shift(rollout, marker, monitor)


@contextmanager
def rolled_back_on_error(rollout: Rollout, marker: Marker) -> Iterator[None]:
    """Take all traffic from the deployment if the block fails, and log the end of its container's log.

    It reads the live traffic first, so it does not matter whether a shift had begun or still runs in Azure.

    Raises:
        Exception: What the block raised; the message of a KfpAzuremlError says what became of the traffic.
    """
    try:
        yield
    except Exception as error:
        endpoint_name = rollout.desired.endpoint
        outcome = _roll_back(rollout, marker)
        log_container(rollout.client, endpoint_name, rollout.desired.deployment)
        if isinstance(error, KfpAzuremlError):
            raise type(error)(f"{error}; {outcome}") from error
        logger.error("endpoint %s: %s", endpoint_name, outcome)  # noqa: TRY400 - the error is raised again
        raise


def _roll_back(rollout: Rollout, marker: Marker) -> str:
    deadline = Deadline(ROLLBACK_SECONDS, rollout.deadline.look_at)
    try:
        _, left = take_traffic_from(rollout.client, rollout.desired.endpoint, marker, deadline)
    except KfpAzuremlError as error:
        return (
            f"rollback failed, {marker.deployment} may still receive traffic: set the traffic to "
            f"{format_traffic(marker.before)} ({error})"
        )
    if left == marker.before:
        return f"the traffic is as before: {format_traffic(left)}"
    return f"the traffic is {format_traffic(left)}: another client has moved it"


def _mirror(rollout: Rollout, monitor: Monitor) -> None:
    client, desired, strategy, deadline = rollout.client, rollout.desired, rollout.strategy, rollout.deadline
    if not strategy.mirrored or desired.deployment in live_traffic(read_endpoint(client, desired.endpoint)):
        return
    set_mirror(client, desired.endpoint, desired.deployment, strategy.mirrored, deadline)
    monitor.soak(strategy.step_seconds, f"{strategy.mirrored} % of the traffic mirrored")
    set_mirror(client, desired.endpoint, desired.deployment, 0, deadline)


def _shift(rollout: Rollout, marker: Marker, monitor: Monitor) -> dict[str, int]:
    client, desired, strategy = rollout.client, rollout.desired, rollout.strategy
    traffic = live_traffic(read_endpoint(client, desired.endpoint))
    reached = traffic.get(desired.deployment, 0)
    if not reached:
        # Nothing is moved yet, so another client must not have moved anything either: a rollout may have ended since.
        traffic = dict(marker.before)
    steps = [share for share in strategy.steps if share >= reached] if marker.before else [100]
    for share in steps:
        wanted = with_share(marker.before, desired.deployment, share)
        set_traffic(client, desired.endpoint, wanted, rollout.deadline, marker=marker, instead_of=traffic)
        traffic = wanted
        if monitor.probe is not None:
            monitor.scoring.send(monitor.probe, desired.deployment, by_traffic=share == 100)
        if marker.before:
            monitor.soak(strategy.step_seconds, f"{share} % of the traffic")
    return traffic
