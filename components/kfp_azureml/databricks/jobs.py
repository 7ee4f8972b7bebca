"""Jobs: find by id or name, create or update, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kfp_azureml.databricks.task_specs import with_tasks
from kfp_azureml.runtime.errors import DatabricksError
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import BaseJob

CREATE, DELETE = "databricks_create_job", "databricks_delete_job"
_TAG_VALUE = "created"


def create_job(databricks_host: str, request: Mapping[str, Any]) -> tuple[str, str]:
    """Create a job, or bring the one of this name that an earlier call created up to date.

    Databricks allows several jobs of one name; a tag tells those of this step from others.

    Args:
        databricks_host: The workspace's URL; empty takes it from DATABRICKS_HOST.
        request: The job's fields, in the form of any version of the API.

    Returns:
        The job's id and name.

    Raises:
        DatabricksError: If a field is invalid, or the name is that of another job.
        CredentialsError: If the credentials are missing or rejected.
        WorkspaceError: If the workspace cannot be reached.
    """
    fields = with_tasks(request)
    name = str(fields.get("name") or "")
    if not name:
        raise DatabricksError("job_name: missing: the step finds its job by it")

    from databricks.sdk.service.jobs import JobSettings

    from kfp_azureml.databricks.api_errors import databricks_errors
    from kfp_azureml.databricks.fields import arguments, typed
    from kfp_azureml.databricks.identity import TAG
    from kfp_azureml.databricks.retries import retrying
    from kfp_azureml.databricks.workspace import workspace_client

    fields["tags"] = {**fields.get("tags", {}), TAG: _TAG_VALUE}
    client = workspace_client(databricks_host)
    settings = arguments(client.jobs.create, fields, "job")
    what = f"creating job {name}"

    def create_or_update() -> int:
        # Looks again at each attempt: the answer to an earlier request may have been lost.
        found = _named(client, name)
        ours = [job for job in found if job.settings and (job.settings.tags or {}).get(TAG) == _TAG_VALUE]
        if found and not ours:
            raise DatabricksError(
                f"job {name}: exists (id {found[0].job_id}), and this step did not create it: set another job_name, or "
                f"give that job the tag {TAG}={_TAG_VALUE} to let the step update it"
            )
        if not ours:
            return int(client.jobs.create(**settings).job_id or 0)
        job_id = min(job.job_id or 0 for job in ours)
        progress(f"job {name}: exists, id {job_id}, updating it")
        client.jobs.reset(job_id, typed(JobSettings, fields, "job"))
        return job_id

    with databricks_errors(what, "the entitlement 'Unrestricted cluster creation' or a cluster policy for new_cluster"):
        job_id = retrying(what, create_or_update)
    return str(job_id), name


def find_job(client: WorkspaceClient, job_id: str, job_name: str) -> int | None:
    """Return the id of a job that is given by id or by name; None if there is none of that name.

    Raises:
        DatabricksError: If neither or both are given, or several jobs have the name.
        KfpAzuremlError: If the jobs cannot be listed.
    """
    from kfp_azureml.databricks.api_errors import databricks_errors
    from kfp_azureml.databricks.fields import number
    from kfp_azureml.databricks.retries import retrying

    if bool(job_id) == bool(job_name):
        raise DatabricksError("set one of job_id and job_name")
    if job_id:
        return number(job_id, "job_id")
    what = f"looking for job {job_name}"
    with databricks_errors(what):
        found = retrying(what, lambda: _named(client, job_name))
    if len(found) > 1:
        ids = ", ".join(str(job.job_id) for job in found)
        raise DatabricksError(f"job_name {job_name}: {len(found)} jobs have this name ({ids}): set job_id")
    return found[0].job_id if found else None


def delete_job(databricks_host: str, job_id: str, job_name: str) -> bool:
    """Delete a job; return whether it existed. See `create_job` for the errors."""
    from kfp_azureml.databricks.deletion import deleted
    from kfp_azureml.databricks.workspace import workspace_client

    client = workspace_client(databricks_host)
    found = find_job(client, job_id, job_name)
    return found is not None and deleted(
        f"job {job_name or job_id}", lambda: client.jobs.delete(found), "'Is Owner' or 'Can Manage' on the job"
    )


def _named(client: WorkspaceClient, name: str) -> list[BaseJob]:
    return [job for job in client.jobs.list(name=name) if job.settings and job.settings.name == name]
