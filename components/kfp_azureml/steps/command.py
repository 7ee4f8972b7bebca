"""`kfp-azureml step NAME`: run one component from a shell, as kfp's executor runs it in a pod.

The options are the component's parameters and artifacts: types and defaults come from its signature, help texts from
its docstring.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_origin

import click

from kfp_azureml.runtime.errors import OutputError, PipelineError
from kfp_azureml.steps.names import component_module, component_names

SUFFIXES = {"system.HTML": ".html", "system.Markdown": ".md"}
"""For artifacts that a browser or an editor opens."""

Component = Callable[..., Any]


class _Steps(click.Group):
    """One subcommand per component, built when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return component_names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        return component_command(cmd_name) if cmd_name in component_names() else None


@click.group("step", cls=_Steps, subcommand_metavar="NAME [OPTIONS]")
def step_command() -> None:
    """Run one component from the shell."""


def component_command(name: str) -> click.Command:
    """Return the click command of a component.

    It prints the returned values and the output artifacts, with their metadata, as JSON.

    Raises:
        PipelineError: When it runs and a package that the component needs is not installed.
        OutputError: When it runs and cannot write an output.
    """
    component = _load(name)

    def run(outputs: Path, **given: Any) -> None:
        try:
            click.echo(json.dumps(_execute(component, given, outputs), indent=2))
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package == "kfp_azureml":
                raise
            raise PipelineError(
                f"step {name}: package {package} is not installed here: use the component's image, or install "
                "kfp-azureml[ml] (prep, train, score) or kfp-azureml[azure] (aml_*, databricks_*)"
            ) from error

    return _ComponentCommand(
        name,
        callback=run,
        params=[
            *map(_option, inspect.signature(component).parameters.values()),
            click.Option(
                ["--outputs"],
                type=click.Path(path_type=Path, file_okay=False),
                default="outputs",
                help="Folder for output artifacts whose path is not set.",
            ),
        ],
        help=component.__doc__,
        context_settings={"show_default": True},
    )


class _ComponentCommand(click.Command):
    """Parses the docstring only for --help."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _, self.help, about = _documentation(self.help)
        for option in self.params:
            if isinstance(option, click.Option):
                option.help = about.get(str(option.name), option.help)
        super().format_help(ctx, formatter)

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002 - one line, which click wraps
        return _documentation(self.help)[0]


def _load(name: str) -> Component:
    """Return the function of a component."""
    dsl = _kfp_dsl()
    if not hasattr(dsl, "component"):  # kfp's run time has no decorators
        dsl.component = lambda **_settings: lambda function: function
    component: Any = getattr(component_module(name), name)
    function: Component = getattr(component, "python_func", component)
    return function


def _kfp_dsl() -> Any:
    if "kfp" not in sys.modules:
        # As in a pod: without kfp's compiler, whose import takes half a second.
        os.environ["_KFP_RUNTIME"] = "true"
        try:
            importlib.import_module("kfp.dsl")
        finally:
            del os.environ["_KFP_RUNTIME"]
    return importlib.import_module("kfp.dsl")


def _documentation(docstring: str | None) -> tuple[str, str, Mapping[str, str]]:
    """Return a component's title, its help text, and the descriptions of its parameters by name."""
    from docstring_parser import parse

    documented = parse(docstring or "")
    title = documented.short_description or ""
    returned = documented.returns.description if documented.returns else None
    paragraphs = [title, documented.long_description, f"Returns: {returned}" if returned else None]
    about = {argument.arg_name: " ".join((argument.description or "").split()) for argument in documented.params}
    return title, "\n\n".join(filter(None, paragraphs)), about


def _option(parameter: inspect.Parameter) -> click.Option:
    flag, kind = f"--{parameter.name.replace('_', '-')}", parameter.annotation
    settings: dict[str, Any] = {"required": parameter.default is parameter.empty}
    if _schema(parameter):
        settings |= {"type": click.Path(), "required": settings["required"] and not _is_output(parameter)}
        return click.Option([flag, parameter.name], **settings)
    if not settings["required"]:
        settings |= {"default": parameter.default, "show_default": parameter.default not in ("", [], {}, None)}
    if kind is bool:
        return click.Option([f"{flag}/--no-{flag.removeprefix('--')}", parameter.name], **settings)
    container = get_origin(kind) or kind
    return click.Option(
        [flag, parameter.name], type=_Json(container) if container in (list, dict) else kind, **settings
    )


class _Json(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """A list or a mapping, written as JSON."""

    def __init__(self, container: type) -> None:
        self.container = container
        self.name = f"JSON {container.__name__}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            parsed = json.loads(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(f"{value!r} is not JSON ({error})", param, ctx)
        if not isinstance(parsed, self.container):
            self.fail(f"{value!r} is not a {self.name}", param, ctx)
        return parsed


def _schema(parameter: inspect.Parameter) -> str:
    """Return the schema title of an artifact; empty for a value."""
    from kfp.dsl.types.type_annotations import get_io_artifact_class

    artifact_class = get_io_artifact_class(parameter.annotation)
    return artifact_class.schema_title if artifact_class else ""


def _is_output(parameter: inspect.Parameter) -> bool:
    from kfp.dsl.types.type_annotations import is_artifact_wrapped_in_Output

    return bool(is_artifact_wrapped_in_Output(parameter.annotation))


def _execute(component: Component, given: Mapping[str, Any], outputs: Path) -> dict[str, Any]:
    """Run a component with kfp's executor; return its values and its output artifacts."""
    from kfp.dsl.executor import Executor

    values: dict[str, Any] = {}
    artifacts: dict[bool, dict[str, Any]] = {True: {}, False: {}}
    for parameter in inspect.signature(component).parameters.values():
        name, value, schema = parameter.name, given[parameter.name], _schema(parameter)
        if not schema:
            values[name] = value
        elif value or _is_output(parameter):
            path = Path(value or outputs / f"{name}{SUFFIXES.get(schema, '')}").absolute()
            artifact = {"name": name, "type": {"schemaTitle": schema}, "uri": str(path), "metadata": {}}
            artifacts[_is_output(parameter)][name] = {"artifacts": [artifact]}
    with tempfile.TemporaryDirectory(prefix="kfp-") as folder:
        reported = Path(folder) / "executor_output.json"
        executor_input = {
            "inputs": {"parameterValues": values, "artifacts": artifacts[False]},
            "outputs": {"artifacts": artifacts[True], "outputFile": str(reported)},
        }
        try:
            executor = Executor(executor_input, component)  # makes the artifacts' folders
        except OSError as error:
            raise OutputError(f"{error.filename}: cannot be written: {error.strerror}") from error
        executor.execute()
        answer = json.loads(reported.read_text())
    described = {name: listed["artifacts"][0] for name, listed in answer.get("artifacts", {}).items()}
    return {
        "values": answer.get("parameterValues", {}),
        "artifacts": {name: {"path": one["uri"], "metadata": one["metadata"]} for name, one in described.items()},
    }
