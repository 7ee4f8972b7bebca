"""Bring a deployment live: mark, create, smoke test, shift traffic; roll back on errors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError

from kfp_azureml.azureml.arm import resource_manager
from kfp_azureml.azureml.azure_errors import azure_errors
from kfp_azureml.azureml.retries import retrying
from kfp_azureml.azureml.rollout.autoscale import copy_autoscale, delete_autoscale, set_autoscale
from kfp_azureml.azureml.rollout.azure_monitor import RequestMetrics
from kfp_azureml.azureml.rollout.cleanup import clean_up, clean_up_command
from kfp_azureml.azureml.rollout.deployment import (
    HasTrafficError,
    delete_deployment,
    ensure_deployment,
    find_deployment,
    live_deployment,
)
from kfp_azureml.azureml.rollout.desired_state import DesiredState
from kfp_azureml.azureml.rollout.endpoint import (
    check_mirror,
    ensure_endpoint,
    find_endpoint,
    live_traffic,
    mark,
    mirror_traffic,
    read_endpoint,
    scoring_key,
    unmark,
)
from kfp_azureml.azureml.rollout.kubernetes import warn_without_tls
from kfp_azureml.azureml.rollout.marker import DEPLOYMENT, ENDPOINT, Marker, find_marker, read_markers
from kfp_azureml.azureml.rollout.probe import REQUEST_SECONDS, Probe, ScoringClient
from kfp_azureml.azureml.rollout.rollout import Rollout
from kfp_azureml.azureml.rollout.soak import Monitor
from kfp_azureml.azureml.rollout.traffic_shares import format_traffic, without
from kfp_azureml.azureml.rollout.traffic_shift import rolled_back_on_error, shift_traffic, smoke_test
from kfp_azureml.azureml.waiting import Deadline
from kfp_azureml.runtime.errors import CancelledError, DeploymentError, KfpAzuremlError
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from azure.ai.ml.entities import OnlineEndpoint

    from kfp_azureml.azureml.arm import Arm

CLEANUP_SECONDS = 120.0  # for a cancelled step; pods rarely have as long

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Live:
    """A deployment with all traffic of its endpoint.

    Attributes:
        endpoint_id: The endpoint's Azure resource id.
        deployment_id: The deployment's Azure resource id.
        scoring_uri: The endpoint's scoring URI.
        traffic: The endpoint's traffic, percentages by deployment.
    """

    endpoint_id: str
    deployment_id: str
    scoring_uri: str
    traffic: dict[str, int]


def go_live(rollout: Rollout, probe: Probe | None) -> Live:
    """Bring the desired deployment live, unless it already is.

    The endpoint is marked from before the first change until after the last, so that an interrupted rollout can be
    continued by the next attempt, or cleaned up.

    Args:
        rollout: The rollout.
        probe: The request to test the deployment with; None for none.

    Raises:
        DeploymentError: If the deployment does not come up or exceeds a limit; traffic is then rolled back. Or if the
            endpoint or the deployment is deleted meanwhile.
        CancelledError: If the step is stopped; the rollout is then cleaned up, or the message says how to.
    """
    client, desired, strategy, deadline = rollout.client, rollout.desired, rollout.strategy, rollout.deadline
    new = Marker(desired.deployment, desired.run_id, before={}, made=(ENDPOINT, DEPLOYMENT))
    with _cleaned_up_if_cancelled(rollout), ExitStack() as stack:
        endpoint = ensure_endpoint(client, desired, new, deadline)
        where = f"endpoint {desired.endpoint}"
        stack.enter_context(_noticing_deletion(where, partial(find_endpoint, client, desired.endpoint), desired))
        if strategy.mirrored:
            check_mirror(endpoint, desired.deployment)
        marker = _marked(rollout, endpoint, new.since)
        traffic = live_traffic(endpoint)
        resumed = marker is not None and desired.deployment in {*traffic, *mirror_traffic(endpoint)}
        with rolled_back_on_error(rollout, marker) if marker and resumed else nullcontext():
            previous = live_deployment(client, endpoint, desired.deployment)
            count = desired.machines.count(previous.instance_count if previous else None)
            deployment = ensure_deployment(client, desired, endpoint, count, deadline)
            find = partial(find_deployment, client, desired.endpoint, desired.deployment)
            stack.enter_context(_noticing_deletion(f"deployment {desired.deployment} of {where}", find, desired))
            warn_without_tls(desired.endpoint, str(endpoint.scoring_uri))
            read_key = partial(scoring_key, client, desired.endpoint)
            timeout = max(REQUEST_SECONDS, desired.server.requests.timeout_seconds)
            scoring = ScoringClient(str(endpoint.scoring_uri), read_key(), read_key, timeout)
            monitor = Monitor(desired.deployment, strategy.limits, scoring, probe)
            smoke_test(rollout, monitor)
            arm, scaling = None, desired.machines.scaling
            if not desired.machines.compute and (marker or scaling):
                arm = stack.enter_context(resource_manager())
            if arm and scaling:
                set_autoscale(arm, endpoint, deployment, scaling)
            elif arm and previous:
                copy_autoscale(arm, desired.endpoint, previous, deployment)
            if arm and marker:
                monitor = replace(monitor, metrics=RequestMetrics(arm, str(endpoint.id), desired.deployment))
        if marker:
            traffic = shift_traffic(rollout, marker, monitor)
            if not strategy.keep_previous:
                _delete_previous(rollout, marker, arm)
            unmark(client, desired.endpoint, marker, deadline)
    progress(f"endpoint {desired.endpoint}: live with {format_traffic(traffic)}")
    return Live(str(endpoint.id), str(deployment.id), scoring.uri, traffic)


def _marked(rollout: Rollout, endpoint: OnlineEndpoint, since: int) -> Marker | None:
    """Mark the endpoint with this rollout; return None if the deployment is already live.

    Raises:
        DeploymentError: If the deployment of another rollout has part of the traffic.
    """
    client, desired = rollout.client, rollout.desired
    traffic, mirrored = live_traffic(endpoint), mirror_traffic(endpoint)
    for other in read_markers(endpoint.tags):
        if other.deployment != desired.deployment and (other.deployment in traffic or other.deployment in mirrored):
            raise DeploymentError(
                f"endpoint {desired.endpoint}: another rollout is in progress ({other.deployment}, run "
                f"{other.run_id or 'unknown'}; traffic {format_traffic(traffic)}): wait for it, or clean it up with: "
                + clean_up_command(client, other.run_id, desired.endpoint)
            )
    marker = find_marker(endpoint.tags, desired.deployment)
    if marker is None:
        if traffic == {desired.deployment: 100}:
            return None
        what = f"reading deployment {desired.deployment} of endpoint {desired.endpoint}"
        with azure_errors(what, DeploymentError):
            exists = retrying(what, lambda: find_deployment(client, desired.endpoint, desired.deployment))
        made: tuple[str, ...] = () if exists else (DEPLOYMENT,)
        before = traffic
    else:
        # From an earlier attempt; the traffic may have changed since.
        made = marker.made
        before = traffic
        if desired.deployment in traffic:
            before = without(traffic, desired.deployment, marker.before)
            progress(f"endpoint {desired.endpoint}: continuing an interrupted rollout at {format_traffic(traffic)}")
    marker = Marker(desired.deployment, desired.run_id, before, made, since)
    mark(client, desired.endpoint, marker, rollout.deadline)
    return marker


def _delete_previous(rollout: Rollout, marker: Marker, arm: Arm | None) -> None:
    """Delete the deployments whose traffic went to the new one, with their autoscale settings."""
    client, desired = rollout.client, rollout.desired
    for name in marker.before:
        endpoint = read_endpoint(client, desired.endpoint)
        if name == desired.deployment or name in {*live_traffic(endpoint), *mirror_traffic(endpoint)}:
            continue
        what = f"reading deployment {name} of endpoint {desired.endpoint}"
        with azure_errors(what, DeploymentError):
            found = retrying(what, partial(find_deployment, client, desired.endpoint, name))
        if not found:
            continue
        try:
            delete_deployment(client, desired.endpoint, name, rollout.deadline)
        except HasTrafficError as error:
            logger.warning("%s; it stays", error)  # another client has given it traffic since
            continue
        if arm:
            delete_autoscale(arm, str(found.id))


@contextmanager
def _noticing_deletion(what: str, find: Callable[[], object | None], desired: DesiredState) -> Iterator[None]:
    """Replace an error by its cause if the resource was deleted by another client.

    Args:
        what: The resource, such as `endpoint e`.
        find: Reads it; returns None if it is gone.
        desired: The deployment being rolled out.
    """
    try:
        yield
    except KfpAzuremlError as error:
        try:
            gone = retrying(f"reading {what}", find) is None
        except AzureError:
            gone = False  # unknown; the first error stands
        if not gone:
            raise
        raise DeploymentError(
            f"{what} was deleted during the rollout of {desired.deployment}: run the step again to create it"
        ) from error


@contextmanager
def _cleaned_up_if_cancelled(rollout: Rollout) -> Iterator[None]:
    """Clean up the rollout when the step is stopped; log first how to do it if there is no time for it."""
    client, desired = rollout.client, rollout.desired
    try:
        yield
    except (CancelledError, KeyboardInterrupt) as cancelled:
        command = clean_up_command(client, desired.run_id, desired.endpoint)
        logger.warning("%s: cleaning up the rollout; if that is interrupted: %s", cancelled, command)
        try:
            outcome = _clean_up(rollout)
        except KfpAzuremlError as error:
            outcome = f"cleanup failed ({error}), clean up with: {command}"
        raise type(cancelled)(f"{cancelled}; {outcome}") from cancelled
    except KfpAzuremlError as error:
        if not _is_marked(rollout):
            raise
        command = clean_up_command(client, desired.run_id, desired.endpoint)
        raise type(error)(f"{error}; run the step again to resume, or clean up with: {command}") from error


def _clean_up(rollout: Rollout) -> str:
    marker = _marker_on(rollout)
    deadline = Deadline(CLEANUP_SECONDS, rollout.deadline.look_at)
    done = clean_up(rollout.client, rollout.desired.endpoint, marker, deadline) if marker else []
    return "; ".join(done) or "nothing to clean up"


def _is_marked(rollout: Rollout) -> bool:
    """Return whether the endpoint has this rollout's marker; False if it cannot be read."""
    try:
        return _marker_on(rollout) is not None
    except KfpAzuremlError:
        return False


def _marker_on(rollout: Rollout) -> Marker | None:
    desired = rollout.desired
    what = f"reading endpoint {desired.endpoint}"
    with azure_errors(what, DeploymentError):
        endpoint = retrying(what, lambda: find_endpoint(rollout.client, desired.endpoint))
    return find_marker(endpoint.tags, desired.deployment) if endpoint else None
