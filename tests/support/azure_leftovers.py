"""Find and remove what runs of `make test-azure` created in a workspace, by its tag and its name."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from azure.core.exceptions import AzureError, ResourceNotFoundError

from azure_place import Run, run_of_tags
from kfp_azureml.azureml.rollout.endpoint import delete_endpoint
from kfp_azureml.azureml.waiting import Deadline
from kfp_azureml.azureml_pipelines import cancel_job
from kfp_azureml.azureml_pipelines.job_follower import ENDED
from kfp_azureml.runtime.errors import KfpAzuremlError, first_line
from kfp_azureml.steps.names import component_names

_DELETE_SECONDS = 1800
_LATEST_JOBS = 200  # Azure ML lists jobs from the newest on, and a workspace may have a hundred thousand
_LOOK_AGAIN_SECONDS = 5  # and longer each time: lists may lag behind what was accepted
_LOOKS = 5


@dataclass(frozen=True)
class Leftover:
    """A resource that a run created.

    Attributes:
        label: Kind and name.
        run: The run.
        remove: Deletes or archives it, before a deadline.
    """

    label: str
    run: Run
    remove: Callable[[Deadline], object]


def remove_all(client: Any, is_wanted: Callable[[Run], bool], say: Callable[[str], object]) -> list[str]:
    """Remove what runs created, looking again until nothing is left.

    Args:
        client: A client of the workspace.
        is_wanted: Whether a run's resources are to be removed.
        say: Prints a line.

    Returns:
        What could not be removed, with the reason.
    """
    failed: dict[str, str] = {}
    deadline = Deadline(_DELETE_SECONDS, look_at="Azure ML studio")
    for look in range(_LOOKS):
        if look:
            time.sleep(_LOOK_AGAIN_SECONDS * 2 ** (look - 1))
        found = [each for each in leftovers(client) if is_wanted(each.run)]
        for each in found:
            say(f"removing {each.label}, of run {each.run.prefix} ({each.run.hours():.1f} hours old)")
            failed.pop(each.label, None)
            try:
                each.remove(deadline)
            except ResourceNotFoundError:
                continue
            except (AzureError, KfpAzuremlError) as error:
                failed[each.label] = first_line(error)
        if not found and look:
            return []
    return [f"{label}: {reason}" for label, reason in failed.items()] or ["resources of the run keep appearing"]


def leftovers(client: Any) -> Iterator[Leftover]:
    """Find everything that runs created, jobs and endpoints first, since these cost money."""
    for job in islice(client.jobs.list(), _LATEST_JOBS):
        run = run_of_tags(job.tags)
        if run and str(job.experiment_name).startswith(run.prefix):
            yield Leftover(f"job {job.name}", run, partial(_remove_job, client, job))
    for endpoint in client.online_endpoints.list():
        run = run_of_tags(endpoint.tags)
        if run and endpoint.name.startswith(run.prefix):
            yield Leftover(f"endpoint {endpoint.name}", run, partial(delete_endpoint, client, endpoint.name))
    for kind, assets in (("model", client.models), ("data", client.data), ("environment", client.environments)):
        yield from _assets(kind, assets)
    for name in component_names():
        for component in _versions(client.components, name):
            run = run_of_tags(component.tags)
            if run and component.version == run.version:
                archive = _archiving(client.components, name, component.version)
                yield Leftover(f"component {name}:{component.version}", run, archive)


def _assets(kind: str, assets: Any) -> Iterator[Leftover]:
    """Find assets that runs created; where somebody added versions to one, the run's versions alone."""
    for container in assets.list():
        if not container.name.startswith("kfpaz"):
            continue
        versions = [(version.version, run_of_tags(version.tags)) for version in _versions(assets, container.name)]
        ours = [(version, run) for version, run in versions if run and container.name.startswith(run.prefix)]
        if ours and len(ours) == len(versions):
            yield Leftover(f"{kind} {container.name}", ours[0][1], _archiving(assets, container.name))
        else:
            for version, run in ours:
                yield Leftover(f"{kind} {container.name}:{version}", run, _archiving(assets, container.name, version))


def _versions(assets: Any, name: str) -> list[Any]:
    try:
        return list(assets.list(name))
    except ResourceNotFoundError:
        return []


def _archiving(assets: Any, *name: str) -> Callable[[Deadline], object]:
    return lambda _deadline: assets.archive(*name)


def _remove_job(client: Any, job: Any, _deadline: Deadline) -> None:
    if job.status not in ENDED:
        cancel_job(client, job.name)
    client.jobs.archive(job.name)
