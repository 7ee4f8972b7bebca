"""Generate the Azure ML spec of each of the suite's components next to its component.yaml.

`make generate` runs it; a test fails if a checked-in copy differs.
"""

from __future__ import annotations

from pathlib import Path

from kfp_azureml.azureml_pipelines.suite import suite_specs
from kfp_azureml.compiling.sources import STEPS
from kfp_azureml.steps.names import component_path


def generate(components: Path) -> None:
    """Write azureml.yaml and azureml.json of each component.

    Args:
        components: A folder with the folders of `steps`.
    """
    for spec in suite_specs():
        spec.write(components / component_path(spec.name))


def main() -> None:
    """Write the generated files of this checkout."""
    generate(STEPS)


if __name__ == "__main__":
    main()
