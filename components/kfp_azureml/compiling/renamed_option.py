"""A command-line option that was renamed."""

from __future__ import annotations

from copy import copy

import click


class RenamedOption(click.Option):
    """An option shown under its first name, and also accepted under the former names that follow."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the option's line of the help text."""
        shown = copy(self)
        shown.opts = self.opts[:1]
        return click.Option.get_help_record(shown, ctx)
