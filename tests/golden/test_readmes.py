"""Every Python block in the READMEs and in docs/ runs, and the pipelines in it compile and are valid."""

import re
from pathlib import Path

import pytest
from kfp import compiler
from kfp.dsl.graph_component import GraphComponent

from kfp_azureml.compiling import PipelineOptions
from kfp_azureml.compiling.sources import STEPS
from kfp_azureml.compiling.validation import validate_compiled
from kfp_azureml.steps.names import component_names, component_path
from pages import ROOT, links, name_of

STEP_READMES = [STEPS / component_path(name) / "README.md" for name in component_names()]
PAGES = [ROOT / "README.md", ROOT / "docs" / "pipelines.md", ROOT / "docs" / "databricks.md", *STEP_READMES]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_examples_compile(tmp_path: Path, page: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    for number, block in enumerate(blocks):
        # kfp reads the sources of components from their file.
        source = tmp_path / f"example_{number}.py"
        source.write_text(block)
        names: dict[str, object] = {"__name__": source.stem}
        exec(compile(block, str(source), "exec"), names)  # noqa: S102 - our own README
        pipelines = [value for value in names.values() if isinstance(value, GraphComponent)]
        builder = names.get("build_pipeline")
        if callable(builder):
            pipelines.append(builder(PipelineOptions()))
        assert pipelines
        for pipeline in pipelines:
            compiler.Compiler().compile(pipeline, str(tmp_path / "example.yaml"))
            validate_compiled(tmp_path / "example.yaml")


@pytest.mark.parametrize("readme", STEP_READMES, ids=name_of)
def test_every_local_link_points_at_something(readme: Path) -> None:
    for link in links(readme.read_text()):
        assert (readme.parent / link.partition("#")[0]).exists(), link
