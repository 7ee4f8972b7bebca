"""The examples in the READMEs are real: each Python block is run, and the pipelines in it compile and are valid."""

import re
from pathlib import Path

import pytest
from kfp import compiler
from kfp.dsl.graph_component import GraphComponent

from kfp_azureml.compiling.generate import component_names
from kfp_azureml.compiling.sources import STEPS
from kfp_azureml.compiling.validation import validate_compiled

READMES = [STEPS.parents[2] / "README.md", *(STEPS / name / "README.md" for name in component_names())]


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.parent.name)
def test_the_examples_compile(tmp_path: Path, readme: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", readme.read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    for number, block in enumerate(blocks):
        # kfp reads the sources of components from their file.
        source = tmp_path / f"example_{number}.py"
        source.write_text(block)
        names: dict[str, object] = {"__name__": source.stem}
        exec(compile(block, str(source), "exec"), names)  # noqa: S102 - our own README
        pipelines = [value for value in names.values() if isinstance(value, GraphComponent)]
        assert pipelines
        for pipeline in pipelines:
            compiler.Compiler().compile(pipeline, str(tmp_path / "example.yaml"))
            validate_compiled(tmp_path / "example.yaml")


def test_every_local_link_points_at_something() -> None:
    for readme in READMES:
        for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", readme.read_text()):
            assert (readme.parent / link).exists(), f"{readme}: {link}"
