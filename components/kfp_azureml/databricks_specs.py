"""Make tasks from the specs of kfp-azure-databricks, at compile time.

```python
from kfp_azureml.components import databricks_submit_run
from kfp_azureml.databricks_specs import from_file_name

run = from_file_name(databricks_submit_run, "run_spec.json", run_name="nightly")
```

Secrets are refused, since a spec becomes part of the compiled pipeline.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp_azureml.runtime.errors import PipelineError, first_line
from kfp_azureml.runtime.text_files import read_user_text

if TYPE_CHECKING:
    from kfp.dsl import PipelineTask

_OF_RUNS = (
    *("access_control_list", "budget_policy_id", "duration_target", "email_notifications", "environment_variables"),
    *("health", "notification_settings", "performance_target", "queue", "run_as", "usage_policy_id"),
    "webhook_notifications",
)
FURTHER_FIELDS: Mapping[str, tuple[str, ...]] = {
    "databricks_submit_run": _OF_RUNS,
    "databricks_create_job": (
        *(name for name in _OF_RUNS if name != "email_notifications"),
        *("continuous", "deployment", "description", "edit_mode", "format", "parent_path", "trigger", "triggers"),
    ),
    "databricks_run_job": (
        *("dbt_commands", "duration_target", "performance_target", "pipeline_params", "python_named_params"),
        "sql_params",
    ),
    "databricks_create_cluster": (
        *("apply_policy_default_values", "aws_attributes", "azure_attributes", "clone_from", "dependency_mode"),
        *("docker_image", "driver_instance_pool_id", "driver_node_type_flexibility", "enable_elastic_disk"),
        *("enable_local_disk_encryption", "gcp_attributes", "is_single_node", "kind", "remote_disk_throughput"),
        *("runtime_engine", "single_user_name", "ssh_public_keys", "total_initial_remote_disk_size", "use_ml_runtime"),
        *("worker_node_type_flexibility", "workload_type"),
    ),
}
"""Fields of the API without a parameter in the component; they travel in `spec`."""

_RENAMED = {
    "databricks_create_job": {"name": "job_name"},
    "databricks_create_secret_scope": {"initial_manage_permission": "initial_manage_principal"},
    "databricks_import_workspace_item": {"format": "file_format"},
}
_ELSEWHERE = {
    ("databricks_submit_run", "job_name"): "runs an existing job: use databricks_run_job",
    ("databricks_submit_run", "job_id"): "runs an existing job: use databricks_run_job",
    ("databricks_submit_run", "idempotency_token"): "leave it out: the step makes its own",
    ("databricks_run_job", "idempotency_token"): "leave it out: the step makes its own",
    ("databricks_run_job", "run_name"): "leave it out: a job's run has the job's name",
}
_NAMES_A_SECRET = re.compile(r"passw(or)?d|secret|token|account[._]?key|sas\b|string_value|byte_value", re.IGNORECASE)
_REFERENCE = re.compile(r"\{\{secrets/[^/{}]+/[^/{}]+\}\}")
_SHORTEST = 8  # characters of a secret


def from_json_spec(component: Callable[..., PipelineTask], json_spec: str, **arguments: Any) -> PipelineTask:
    """Make a task of a databricks_* component from a spec, inside a pipeline.

    Args:
        component: The component, such as `databricks_submit_run`.
        json_spec: The spec, in JSON or YAML, for kfp-azure-databricks or in the form of today's API.
        arguments: Arguments of the component; they win over the spec.

    Returns:
        The task. One of databricks_create_secret_scope gets the Kubernetes secrets that the spec refers to.

    Raises:
        PipelineError: If the spec is not an object, has an unknown field or contains a secret.
    """
    return _task(component, json_spec, "json_spec", arguments)


def from_file_name(component: Callable[..., PipelineTask], file_name: str | Path, **arguments: Any) -> PipelineTask:
    """Make a task of a databricks_* component from a file with a spec; see `from_json_spec`.

    Raises:
        PipelineError: Also if the file cannot be read.
    """
    text = read_user_text(Path(file_name), PipelineError, expected="a JSON or YAML file with a spec")
    return _task(component, text, str(file_name), arguments)


def _task(component: Callable[..., PipelineTask], text: str, where: str, arguments: Mapping[str, Any]) -> PipelineTask:
    inputs = component.component_spec.inputs or {}  # type: ignore[attr-defined]  # kfp has no type for it
    name: str = component.component_spec.name.replace("-", "_")  # type: ignore[attr-defined]
    fields = _parsed(text, where)
    secrets = fields.pop("secrets", None) if name == "databricks_create_secret_scope" else None
    found = list(_secrets(fields, where))
    if found:
        raise PipelineError(
            f"{', '.join(found)}: a secret in a spec would be in the compiled pipeline: put it into a secret scope "
            "(databricks_create_secret_scope) and write {{secrets/SCOPE/KEY}}"
        )
    given = {_RENAMED.get(name, {}).get(field, field): value for field, value in fields.items()}
    if name == "databricks_upload_file" and str(given.get("path", "")).startswith("/"):
        given["path"] = _with_scheme(str(given["path"]))
    further = {
        field: given.pop(field) for field in FURTHER_FIELDS.get(name, ()) if field in given and field not in inputs
    }
    for field in given:
        if field not in inputs:
            reason = _ELSEWHERE.get((name, field), f"unknown to {name}: check its spelling")
            raise PipelineError(f"{where}: {field}: {reason}")
    if further:
        given["spec"] = further
    references = dict(_references(secrets, where)) if secrets else {}
    if references:
        given["secrets"] = {key: variable for key, (variable, _, _) in references.items()}
    task = component(**{**given, **arguments})
    for variable, kubernetes_secret, kubernetes_key in references.values():
        from kfp import kubernetes

        kubernetes.use_secret_as_env(
            task, secret_name=kubernetes_secret, secret_key_to_env={kubernetes_key: variable}, optional=True
        )
    return task


def _parsed(text: str, where: str) -> dict[str, Any]:
    import yaml

    try:
        fields = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PipelineError(f"{where}: neither JSON nor YAML ({first_line(error)})") from error
    if not isinstance(fields, dict) or not all(isinstance(name, str) for name in fields):
        raise PipelineError(f"{where}: expected an object with the fields of the request")
    return fields


def _secrets(value: Any, where: str, name: str = "") -> Iterator[str]:
    """Yield the paths of secrets, by their names, except references to a secret scope."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _secrets(inner, f"{where}: {key}" if not name else f"{where}.{key}", str(key))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _secrets(inner, f"{where}[{position}]", name)
    elif isinstance(value, str) and len(value) >= _SHORTEST and _names_a_secret(name) and not _REFERENCE.search(value):
        yield where


def _names_a_secret(name: str) -> bool:
    return name != "idempotency_token" and _NAMES_A_SECRET.search(name) is not None


def _references(secrets: Any, where: str) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Yield key, environment variable, Kubernetes secret and its key of the secrets of a scope."""
    for secret in secrets if isinstance(secrets, list) else ():
        key = str(secret.get("key", "")) if isinstance(secret, dict) else ""
        source = secret.get("value_from", {}).get("secret_key_ref", {}) if key else {}
        if not source.get("name") or not source.get("key"):
            raise PipelineError(
                f"{where}: secrets: {key or 'an entry'}: a value in a spec would be in the compiled pipeline: refer to "
                "a Kubernetes secret with value_from.secret_key_ref.name and .key"
            )
        variable = "DATABRICKS_SECRET_" + re.sub(r"\W", "_", key).upper()
        yield key, (variable, str(source["name"]), str(source["key"]))


def _with_scheme(path: str) -> str:
    """Return a path of kfp-azure-databricks, which knew DBFS only, with its scheme."""
    return path if path.startswith(("/Volumes/", "/Workspace/")) else f"dbfs:{path}"
