"""Options of the commands that connect to a workspace."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from kfp_azureml.compiling.renamed_option import RenamedOption

Command = TypeVar("Command", bound=Callable[..., Any])


def workspace_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the workspace options to a command, and pass it a connected client first."""

    @click.option("-g", "--resource-group", default="", metavar="NAME", help="Resource group.  [default: config.json]")
    @click.option("-w", "--workspace", default="", metavar="NAME", help="Workspace.  [default: config.json]")
    @click.option(
        "--subscription-id",
        "--subscription",
        "subscription_id",
        cls=RenamedOption,
        default="",
        metavar="ID",
        help="Subscription of the workspace.  [default: $AZ_SUBSCRIPTION_ID, else config.json]",
    )
    @wraps(command)
    def connected(*args: Any, resource_group: str, workspace: str, subscription_id: str, **kwargs: Any) -> Any:
        from kfp_azureml.azureml_pipelines.connection import connect

        return command(connect(resource_group, workspace, subscription_id), *args, **kwargs)

    return connected
