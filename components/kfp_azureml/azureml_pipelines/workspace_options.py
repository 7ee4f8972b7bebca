"""The options of every command that talks to a workspace."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def workspace_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that name a workspace; it gets a connected `client` as its first argument."""

    @click.option("-g", "--resource-group", default="", metavar="NAME", help="[default: from config.json]")
    @click.option("-w", "--workspace", default="", metavar="NAME", help="[default: from config.json]")
    @click.option("--subscription", default="", metavar="ID", help="[default: $AZ_SUBSCRIPTION_ID, or config.json]")
    @wraps(command)
    def connected(*args: Any, resource_group: str, workspace: str, subscription: str, **kwargs: Any) -> Any:
        from kfp_azureml.azureml_pipelines.connection import connect

        return command(connect(resource_group, workspace, subscription), *args, **kwargs)

    return connected
