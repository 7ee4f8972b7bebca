"""From a plan to a live deployment: marked, made, asked, rolled out; and undone where it is not to be finished."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError

from kfp_azureml.azureml.arm import resource_manager
from kfp_azureml.azureml.failures import azure_errors
from kfp_azureml.azureml.retries import retrying
from kfp_azureml.azureml.rollout.autoscale import copy_autoscale, delete_autoscale
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
from kfp_azureml.azureml.rollout.marker import DEPLOYMENT, ENDPOINT, Marker, find_marker, read_markers
from kfp_azureml.azureml.rollout.probe import Probe, Scoring
from kfp_azureml.azureml.rollout.strategy import Strategy
from kfp_azureml.azureml.rollout.traffic import in_words, without
from kfp_azureml.azureml.rollout.traffic_shift import check_before_traffic, putting_back, shift_traffic
from kfp_azureml.azureml.waiting import Deadline
from kfp_azureml.runtime.errors import CancelledError, DeploymentError, KfpAzuremlError
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import OnlineEndpoint

    from kfp_azureml.azureml.arm import Arm

CLEANUP_SECONDS = 120.0  # for what a cancelled step began; a pod rarely has as long

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Live:
    """A deployment with all the traffic of its endpoint.

    Attributes:
        endpoint_id: The endpoint's Azure resource id.
        deployment_id: The deployment's.
        scoring_uri: The endpoint's address for requests.
        traffic: The endpoint's traffic, percentages by deployment.
    """

    endpoint_id: str
    deployment_id: str
    scoring_uri: str
    traffic: dict[str, int]


def go_live(
    client: MLClient, desired: DesiredState, strategy: Strategy, probe: Probe | None, deadline: Deadline
) -> Live:
    """Bring the plan's deployment live, or find that it is.

    From before the first change until the last one the endpoint is marked, so that whatever is broken off can be
    finished by the next attempt, or undone.

    Args:
        client: A client of the workspace.
        desired: What is to be live.
        strategy: How it gets the traffic.
        probe: What it is asked; None: nothing.
        deadline: When to give up.

    Raises:
        DeploymentError: If it does not come up or exceeds a limit; traffic is then as it was. Or if somebody deletes
            the endpoint or the deployment meanwhile.
        CancelledError: If somebody stops the step; what it began is then undone, or listed.
    """
    new = Marker(desired.deployment, desired.run_id, before={}, made=(ENDPOINT, DEPLOYMENT))
    with _cleaned_up_if_cancelled(client, desired, deadline), ExitStack() as stack:
        endpoint = ensure_endpoint(client, desired, new, deadline)
        where = f"endpoint {desired.endpoint}"
        stack.enter_context(_noticing_deletion(where, partial(find_endpoint, client, desired.endpoint), desired))
        if strategy.mirror_percent:
            check_mirror(endpoint, desired.deployment)
        marker = _marked(client, desired, endpoint, new.since, deadline)
        traffic = live_traffic(endpoint)
        resumed = marker is not None and desired.deployment in {*traffic, *mirror_traffic(endpoint)}
        with putting_back(client, desired, marker, deadline) if marker and resumed else nullcontext():
            previous = live_deployment(client, endpoint, desired.deployment)
            count = desired.machines.instance_count or (previous.instance_count if previous else 1) or 1
            deployment = ensure_deployment(client, desired, endpoint, count, deadline)
            find = partial(find_deployment, client, desired.endpoint, desired.deployment)
            stack.enter_context(_noticing_deletion(f"deployment {desired.deployment} of {where}", find, desired))
            read_key = partial(scoring_key, client, desired.endpoint)
            scoring = Scoring(str(endpoint.scoring_uri), read_key(), read_key)
            check_before_traffic(client, scoring, probe, desired, strategy)
            metrics = None
            if marker and not desired.machines.compute:
                arm = stack.enter_context(resource_manager())
                if previous:
                    copy_autoscale(arm, desired.endpoint, previous, deployment)
                metrics = RequestMetrics(arm, str(endpoint.id), desired.deployment)
        if marker:
            traffic = shift_traffic(client, desired, marker, strategy, scoring, probe, metrics, deadline)
            if not strategy.keep_previous:
                _delete_previous(client, desired, marker, metrics.arm if metrics else None, deadline)
            unmark(client, desired.endpoint, marker, deadline)
    progress(f"endpoint {desired.endpoint}: live with {in_words(traffic)}")
    return Live(str(endpoint.id), str(deployment.id), scoring.uri, traffic)


def _marked(
    client: MLClient, desired: DesiredState, endpoint: OnlineEndpoint, since: int, deadline: Deadline
) -> Marker | None:
    """Mark the endpoint with this roll-out; None if there is nothing left to roll out.

    Raises:
        DeploymentError: If another roll-out has got part of the traffic.
    """
    traffic, mirrored = live_traffic(endpoint), mirror_traffic(endpoint)
    for other in read_markers(endpoint.tags):
        if other.deployment != desired.deployment and (other.deployment in traffic or other.deployment in mirrored):
            raise DeploymentError(
                f"endpoint {desired.endpoint}: in the middle of the roll-out of {other.deployment} by run "
                f"{other.run_id or 'unknown'}, its traffic is {in_words(traffic)}: wait for its end, or undo it: "
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
        # Left by an earlier attempt; what is live may have changed since.
        made = marker.made
        before = without(traffic, desired.deployment, marker.before) if desired.deployment in traffic else traffic
        if desired.deployment in traffic:
            progress(
                f"endpoint {desired.endpoint}: going on with a roll-out that was broken off at {in_words(traffic)}"
            )
    marker = Marker(desired.deployment, desired.run_id, before, made, since)
    mark(client, desired.endpoint, marker, deadline)
    return marker


def _delete_previous(
    client: MLClient, desired: DesiredState, marker: Marker, arm: Arm | None, deadline: Deadline
) -> None:
    """Delete the deployments whose traffic went to the new one, with their autoscale settings."""
    for name in marker.before:
        endpoint = read_endpoint(client, desired.endpoint)
        if name == desired.deployment or name in {*live_traffic(endpoint), *mirror_traffic(endpoint)}:
            continue
        what = f"reading deployment {name} of endpoint {desired.endpoint}"
        with azure_errors(what, DeploymentError):
            found = retrying(what, lambda name=name: find_deployment(client, desired.endpoint, name))  # type: ignore[misc]
        if not found:
            continue
        try:
            delete_deployment(client, desired.endpoint, name, deadline)
        except HasTrafficError as error:
            logger.warning("%s; it stays", error)  # somebody has given it some since
            continue
        if arm:
            delete_autoscale(arm, str(found.id))


@contextmanager
def _noticing_deletion(what: str, find: Callable[[], object | None], desired: DesiredState) -> Iterator[None]:
    """Where something fails because somebody has deleted what it works on, say that instead of what followed from it.

    Args:
        what: What was there, such as `endpoint e`.
        find: Looks for it; returns None if it is no more.
        desired: The roll-out.
    """
    try:
        yield
    except KfpAzuremlError as error:
        try:
            gone = retrying(f"reading {what}", find) is None
        except AzureError:
            gone = False  # Azure does not tell, which is what has failed already
        if not gone:
            raise
        raise DeploymentError(
            f"{what} was deleted while {desired.deployment} was being rolled out: run the step again to make it anew"
        ) from error


@contextmanager
def _cleaned_up_if_cancelled(client: MLClient, desired: DesiredState, deadline: Deadline) -> Iterator[None]:
    """Undo the roll-out when somebody stops the step; say first how to do it should there be no time to."""
    try:
        yield
    except (CancelledError, KeyboardInterrupt) as cancelled:
        command = clean_up_command(client, desired.run_id, desired.endpoint)
        logger.warning("%s: undoing what was begun; should that be cut short: %s", cancelled, command)
        try:
            outcome = _clean_up(client, desired, Deadline(CLEANUP_SECONDS, deadline.look_at))
        except KfpAzuremlError as error:
            outcome = f"not all that was begun could be undone ({error}), do it with: {command}"
        raise type(cancelled)(f"{cancelled}; {outcome}") from cancelled
    except KfpAzuremlError as error:
        if not _is_marked(client, desired):
            raise
        command = clean_up_command(client, desired.run_id, desired.endpoint)
        raise type(error)(f"{error}; run the step again to try again, or remove what it made: {command}") from error


def _clean_up(client: MLClient, desired: DesiredState, deadline: Deadline) -> str:
    marker = _marker_on(client, desired)
    done = clean_up(client, desired.endpoint, marker, deadline) if marker else []
    return "; ".join(done) or "nothing was to be undone"


def _is_marked(client: MLClient, desired: DesiredState) -> bool:
    """Say whether this roll-out is marked; not if Azure does not tell, which is what has failed already."""
    try:
        return _marker_on(client, desired) is not None
    except KfpAzuremlError:
        return False


def _marker_on(client: MLClient, desired: DesiredState) -> Marker | None:
    what = f"reading endpoint {desired.endpoint}"
    with azure_errors(what, DeploymentError):
        endpoint = retrying(what, lambda: find_endpoint(client, desired.endpoint))
    return find_marker(endpoint.tags, desired.deployment) if endpoint else None
