"""Check the permissions of the identity, action by action, without using them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError

from kfp_azureml.azureml.azure_errors import explain
from kfp_azureml.azureml.checks.run_settings import Purpose
from kfp_azureml.azureml.checks.workspace import DATA_SCIENTIST, PROVIDER, Workspace, role_command
from kfp_azureml.runtime.checks import Outcome, failed, passed, skipped, warning

API_VERSION = "2022-04-01"

Entries = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Permission:
    """Actions that a run performs.

    Attributes:
        name: Last part of the check's name.
        purpose: The runs that need them.
        text: What they are for, in words.
        actions: The actions of Azure Resource Manager.
        role: A built-in role that has them.
        on_group: Whether the role is assigned on the resource group instead of the workspace.
        required: Whether a run fails without them.
    """

    name: str
    purpose: Purpose
    text: str
    actions: tuple[str, ...]
    role: str = DATA_SCIENTIST
    on_group: bool = False
    required: bool = True


def _of_workspace(*actions: str) -> tuple[str, ...]:
    return tuple(f"{PROVIDER}/workspaces/{action}" for action in actions)


PERMISSIONS = (
    Permission(
        "models", Purpose.REGISTER, "register models", _of_workspace("models/versions/read", "models/versions/write")
    ),
    Permission(
        "datastores",
        Purpose.REGISTER,
        "upload to the datastore",
        _of_workspace("datastores/read", "datastores/listSecrets/action"),
    ),
    Permission(
        "environments",
        Purpose.DEPLOY,
        "create environments and code",
        _of_workspace("environments/versions/read", "environments/versions/write", "codes/versions/write"),
    ),
    Permission(
        "endpoints", Purpose.DEPLOY, "create endpoints", _of_workspace("onlineEndpoints/read", "onlineEndpoints/write")
    ),
    Permission(
        "deployments",
        Purpose.DEPLOY,
        "create, replace and delete deployments",
        _of_workspace(*(f"onlineEndpoints/deployments/{verb}" for verb in ("read", "write", "delete"))),
    ),
    Permission(
        "endpoint-keys",
        Purpose.DEPLOY,
        "send requests to the endpoint",
        _of_workspace("onlineEndpoints/listKeys/action"),
    ),
    Permission(
        "autoscale",
        Purpose.DEPLOY,
        "copy autoscale settings to a new deployment",
        ("Microsoft.Insights/autoscaleSettings/read", "Microsoft.Insights/autoscaleSettings/write"),
        role="Contributor",
        on_group=True,
        required=False,
    ),
    Permission(
        "metrics",
        Purpose.DEPLOY,
        "watch a rollout's live traffic in Azure Monitor",
        ("Microsoft.Insights/metrics/read",),
        role="Monitoring Reader",
        required=False,
    ),
    Permission(
        "jobs",
        Purpose.JOBS,
        "submit pipelines as Azure ML jobs (kfp-azureml aml submit)",
        _of_workspace("jobs/write", "components/versions/write"),
        required=False,
    ),
)


def check_permissions(workspace: Workspace) -> Outcome:
    """Read the identity's permissions on the workspace; the outcome has them."""
    path = f"{workspace.place.id}/providers/Microsoft.Authorization/permissions"
    try:
        entries = list(workspace.arm.pages(path, **{"api-version": API_VERSION}))
    except HttpResponseError as error:
        if error.status_code == 403:
            return skipped("not checked: the identity may not read its own permissions on the workspace")
        raise explain(error, "reading the permissions") from error
    except AzureError as error:
        raise explain(error, "reading the permissions") from error
    if not entries:
        return skipped("not checked: Azure lists no permissions")
    return passed("read", entries)


def check_permission(entries: Entries | None, wanted: Permission, workspace: Workspace, who: str) -> Outcome:
    """Check that the identity may perform some actions."""
    if entries is None:
        return skipped("not checked: the identity's permissions are unknown")
    missing = [action for action in wanted.actions if not is_allowed(entries, action)]
    if not missing:
        return passed(f"may {wanted.text}")
    scope = workspace.place.id
    mend = role_command(who, wanted.role, scope.partition("/providers/")[0] if wanted.on_group else scope)
    message = f"the identity may not {wanted.text}: it lacks {', '.join(missing)}"
    return failed(message, mend) if wanted.required else warning(message, mend)


def is_allowed(entries: Entries, action: str) -> bool:
    """Tell whether one of the entries, each of a role assignment, allows an action."""
    return any(
        _matches(entry.get("actions"), action) and not _matches(entry.get("notActions"), action) for entry in entries
    )


def _matches(patterns: Sequence[str] | None, action: str) -> bool:
    return any(_pattern(pattern).fullmatch(action) for pattern in patterns or ())


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    # `workspaces/*/read` includes `workspaces/read`: the role AzureML Data Scientist has only the former, excludes
    # `workspaces/write` in notActions, and its users can read the workspace.
    text = re.escape(pattern).replace(r"/\*/", "(?:/|/.*/)").replace(r"\*", ".*")
    return re.compile(text, re.IGNORECASE)
