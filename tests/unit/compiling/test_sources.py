"""Pipelines by name and by path."""

from pathlib import Path

import pytest

from kfp_azureml.compiling.compile import compile_pipeline
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.sources import find_pipeline, load_builder
from kfp_azureml.runtime.errors import PipelineError

SOURCE = """
from kfp import dsl

@dsl.component(base_image="python:3.11")
def say(word: str):
    print(word)

def build_pipeline(options):
    @dsl.pipeline(name="small")
    def small(word: str = "hello"):
        say(word=word).set_container_image(options.ml_image)
    return small
"""


def test_a_shipped_pipeline_is_found_by_name() -> None:
    assert find_pipeline("image_classification").name == "image_classification.py"


@pytest.mark.parametrize("name", ["nonsense", "nowhere/pipeline.py"])
def test_an_unknown_pipeline_is_one_line(name: str) -> None:
    with pytest.raises(PipelineError, match=name) as failure:
        find_pipeline(name)
    assert "\n" not in str(failure.value)


def test_a_file_without_build_pipeline_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(PipelineError, match="build_pipeline"):
        load_builder(tmp_path / "empty.py")


def test_registry_and_tag_are_set_at_compile_time(tmp_path: Path) -> None:
    source = tmp_path / "small.py"
    source.write_text(SOURCE)
    output = tmp_path / "small.yaml"
    compile_pipeline(source, output, PipelineOptions(registry="example.azurecr.io/team", tag="7"))
    assert "image: example.azurecr.io/team/ml:7\n" in output.read_text()
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["small.py", "small.yaml"]


def test_a_pipeline_that_does_not_compile_leaves_the_old_file(tmp_path: Path) -> None:
    source = tmp_path / "small.py"
    source.write_text(SOURCE.replace("word=word", "words=word"))
    output = tmp_path / "small.yaml"
    output.write_text("old")
    with pytest.raises(PipelineError, match=r"small\.py, line 11: TypeError: .*words"):
        compile_pipeline(source, output, PipelineOptions())
    assert output.read_text() == "old"
    assert len(list(tmp_path.glob("*.yaml"))) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def build_pipeline(options:\n", r"mine\.py, line 1: SyntaxError"),
        ("import nothing_of_that_name\n", r"mine\.py, line 1: ModuleNotFoundError: No module named"),
        ("x = 1\ny = x / 0\n", r"mine\.py, line 2: ZeroDivisionError: division by zero"),
        ("def build_pipeline():\n    pass\n", r"mine\.py: TypeError"),
        ("def build_pipeline(options):\n    return None\n", r"mine\.py: "),
    ],
)
def test_a_mistake_in_a_users_pipeline_is_one_line_that_names_its_place(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(PipelineError, match=told) as failure:
        compile_pipeline(tmp_path / "mine.py", tmp_path / "mine.yaml", PipelineOptions())
    assert "\n" not in str(failure.value)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["mine.py"]


@pytest.mark.parametrize("name", ["small.py", "small.json", "folder.yaml"])
def test_nothing_but_a_yaml_file_is_written(tmp_path: Path, name: str) -> None:
    source = tmp_path / "small.py"
    source.write_text(SOURCE)
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(PipelineError, match=name):
        compile_pipeline(source, tmp_path / name, PipelineOptions())
    assert source.read_text() == SOURCE


@pytest.mark.parametrize(
    ("registry", "tag"),
    [
        ("https://example.com", "1"),
        ("my registry", "1"),
        ("example.com/", "1"),
        ("example.com", "a:b"),
        ("example.com", "-a"),
        ("example.com", ""),
    ],
)
def test_what_makes_no_image_name_is_refused(registry: str, tag: str) -> None:
    with pytest.raises(PipelineError, match=r"registry|tag"):
        PipelineOptions(registry=registry, tag=tag)


@pytest.mark.parametrize(
    "registry", ["kfp-azureml", "example.azurecr.io/team/kfp-azureml", "localhost:5000", "host:80/a_b"]
)
def test_registries_as_people_have_them_pass(registry: str) -> None:
    assert PipelineOptions(registry=registry, tag="1.0").ml_image == f"{registry}/ml:1.0"
