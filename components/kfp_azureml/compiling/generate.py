"""Generate component.yaml, README tables and the compiled pipelines.

`make generate` runs this; a test fails if a checked-in file differs.
"""

from __future__ import annotations

from pathlib import Path

from kfp_azureml.compiling.compile import compile_pipeline
from kfp_azureml.compiling.interface import interface
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.sources import STEPS, shipped_pipelines
from kfp_azureml.steps.names import component_module, component_names, component_path

BEGIN, END = "<!-- interface: written by `make generate` -->", "<!-- end of interface -->"


def generate(components: Path, pipelines: Path) -> None:
    """Write every generated file.

    Args:
        components: A folder with the folders of `steps`; only the interface of the READMEs in it changes.
        pipelines: The folder for the compiled pipelines.
    """
    from kfp import compiler

    for name in component_names():
        module = component_module(name)
        component = getattr(module, name)
        folder = components / component_path(name)
        compiler.Compiler().compile(component, str(folder / "component.yaml"))
        readme = folder / "README.md"
        readme.write_text(_with_interface(readme, module.DISPLAY_NAME, interface(component)))
    for source in sorted(shipped_pipelines().glob("*.py")):
        compile_pipeline(source, pipelines / f"{source.stem}.yaml", PipelineOptions())


def _with_interface(readme: Path, title: str, text: str) -> str:
    block = f"{BEGIN}\n{text}\n{END}"
    if not readme.exists():
        return f"# {title}\n\n{block}\n"
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{block}{after}"


def main() -> None:
    """Write the generated files of this checkout."""
    generate(STEPS, shipped_pipelines())


if __name__ == "__main__":
    main()
