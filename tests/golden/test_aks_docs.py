"""docs/aks.md: its files, overlays, images and versions, as far as they can be checked without Azure."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import makefile
from command_lines import parse
from console_blocks import arguments_of, commands
from kfp_azureml.cli import commands as kfp_azureml_cli
from kfp_azureml.compiling.command import compile_command
from kfp_azureml.compiling.flags import options_from
from locks import locked
from pages import ROOT, calls

PAGE = ROOT / "docs" / "aks.md"
TEXT = PAGE.read_text()
COMMANDS = commands(TEXT)
INLINE = [
    call for span in re.findall(r"`(kfp-azureml [a-z][^`]* [^`]+)`", TEXT) for call in arguments_of("kfp-azureml", span)
]


def section(heading: str) -> str:
    return TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def exported_in_section_1() -> dict[str, str]:
    """Return the variables of `make` that the page's first section exports."""
    lines = [line for line in commands(section("1. Names")) if line.startswith("export ")]
    script = "\n".join([*lines, 'printf "%s\\n" "$REGISTRY" "$TAG"'])
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=120, check=True)
    return dict(zip(("REGISTRY", "TAG"), done.stdout.splitlines(), strict=True))


def test_the_page_has_the_commands_that_it_is_about() -> None:
    assert len(COMMANDS) > 40
    for program in ("az", "kubectl", "make", "kfp", "kfp-azureml"):
        assert calls(program, TEXT), program


@pytest.mark.parametrize("call", INLINE, ids=" ".join)
def test_the_command_lines_in_the_text_parse(call: list[str]) -> None:
    parse(kfp_azureml_cli, call)


def test_every_file_that_is_named_exists() -> None:
    named = set(re.findall(r"(?<![\w./-])(?:manifests|pipelines|docker|docs|components)/[\w./-]+", TEXT))
    assert named
    assert [path for path in named if not (ROOT / path).exists() and Path(path).name != "azcreds.env"] == []


def test_every_overlay_is_on_the_page() -> None:
    rendered = {word for call in calls("make", TEXT) for word in call if word.startswith("OVERLAYS=")}
    overlays = {path.name for path in (ROOT / "manifests" / "overlays").iterdir()}
    assert {word.removeprefix("OVERLAYS=") for word in rendered} == overlays


@pytest.mark.parametrize("after_section_1", [True, False])
def test_a_local_cluster_gets_the_images_that_the_pipeline_names(after_section_1: bool) -> None:
    exported = exported_in_section_1() if after_section_1 else {}
    lines = commands(section("A cluster on this machine"))
    made = {call[0]: call for line in lines for call in arguments_of("make", line)}
    built = makefile.built_images(*made["images"], **exported)
    (loaded,) = (call[2:] for line in lines for call in arguments_of("kind", line))
    flags = compile_command.make_context("compile", makefile.compile_flags(*made["compile-pipeline"][1:], **exported))
    options = options_from({name: value for name, value in flags.params.items() if name not in ("pipeline", "output")})
    assert sorted(built) == sorted(loaded) == [options.azure_image, options.ml_image]


def test_the_wheel_that_is_installed_is_the_one_that_is_built(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, capture_output=True, timeout=300, check=True)
    (wheel,) = tmp_path.iterdir()
    assert set(re.findall(r"[\w.-]+\.whl", TEXT)) == {wheel.name}
    assert "make wheel" in COMMANDS
    with zipfile.ZipFile(wheel) as archive:
        assert "kfp_azureml/pipelines/image_classification.yaml" in archive.namelist()


def test_kubeflow_is_the_release_of_the_sdk() -> None:
    assert f"export KFP={locked('kfp')}" in COMMANDS
