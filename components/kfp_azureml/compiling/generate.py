"""Writes the generated files again: each component's component.yaml and README interface, and the compiled pipelines.

`make generate` runs it; a test fails when a checked-in copy differs from what it writes.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

from kfp_azureml.compiling.compile import compile_pipeline
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.sources import PACKAGE, shipped_pipelines

BEGIN, END = "<!-- interface: written by `make generate` -->", "<!-- end of interface -->"


def component_names() -> list[str]:
    """Return the suite's components, by the names of their folders."""
    return sorted(face.parent.name for face in PACKAGE.glob("*/component.py"))


def generate(components: Path, pipelines: Path) -> None:
    """Write every generated file.

    Args:
        components: A folder with one folder per component; READMEs in it keep all but their interface.
        pipelines: The folder for the compiled pipelines.
    """
    from kfp import compiler

    for name in component_names():
        module = importlib.import_module(f"kfp_azureml.{name}.component")
        component = getattr(module, name)
        folder = components / name
        compiler.Compiler().compile(component, str(folder / "component.yaml"))
        readme = folder / "README.md"
        readme.write_text(_with_interface(readme, module.DISPLAY_NAME, interface(component)))
    for source in sorted(shipped_pipelines().glob("*.py")):
        compile_pipeline(source, pipelines / f"{source.stem}.yaml", PipelineOptions())


def interface(component: Any) -> str:
    """Describe a component in Markdown: what it does, its image, inputs and outputs.

    Args:
        component: A KFP component.
    """
    from docstring_parser import parse

    spec = component.component_spec
    documented = parse(component.python_func.__doc__)
    about = {argument.arg_name: " ".join((argument.description or "").split()) for argument in documented.params}
    returned = " ".join((documented.returns.description or "").split()) if documented.returns else ""
    image = spec.implementation.container.image

    lines = [documented.short_description or "", "", f"Image: `{image}`", ""]
    lines += ["| input | type | default | |", "|---|---|---|---|"]
    for name, given in (spec.inputs or {}).items():
        default = f"`{given.default!r}`" if given.optional and given.default is not None else ""
        default = default or ("optional" if given.optional else "required")
        lines.append(f"| `{name}` | {_type(given.type)} | {default} | {about.get(name, '')} |")
    lines += ["", "| output | type | |", "|---|---|---|"]
    for name, given in (spec.outputs or {}).items():
        lines.append(f"| `{name}` | {_type(given.type)} | {about.get(name, returned)} |")
    return "\n".join(lines)


def _type(name: str) -> str:
    return re.sub(r"^system\.|@.*$", "", name)


def _with_interface(readme: Path, title: str, text: str) -> str:
    block = f"{BEGIN}\n{text}\n{END}"
    if not readme.exists():
        return f"# {title}\n\n{block}\n"
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{block}{after}"


def main() -> None:
    """Write the generated files of this checkout."""
    generate(PACKAGE, shipped_pipelines())


if __name__ == "__main__":
    main()
