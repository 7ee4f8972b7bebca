"""Parse command lines without running them."""

from __future__ import annotations

from collections.abc import Sequence

import click


def parse(command: click.Command, arguments: Sequence[str]) -> None:
    """Parse a command line down to its last subcommand, as click does before it runs anything."""
    parent = None
    rest = list(arguments)
    while True:
        context = command.make_context(command.name, rest, parent=parent)
        if not isinstance(command, click.Group):
            return
        _, subcommand, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert subcommand is not None
        command, parent = subcommand, context
