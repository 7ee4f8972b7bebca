"""The option `--param NAME=VALUE` of every command that runs a pipeline."""

from __future__ import annotations

import click


def by_name(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """Turn NAME=VALUE, given any number of times, into a mapping: a callback for click options."""
    values = {}
    for param in given:
        name, equals, value = param.partition("=")
        if not equals:
            raise click.BadParameter(f"{param!r} is not NAME=VALUE")
        values[name] = value
    return values


param_option = click.option(
    "-p",
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    callback=by_name,
    help="Pipeline parameter; repeatable.",
)
