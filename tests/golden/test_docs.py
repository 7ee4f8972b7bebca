"""docs/aks.md, as far as it can be checked without Azure: bash, make and both command lines take its commands."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import click
import pytest
from kfp.cli import cli as kfp_cli

import makefile
from command_lines import parse
from console_blocks import arguments_of, commands
from kfp_azureml.cli import commands as kfp_azureml_cli
from kfp_azureml.compiling.command import compile_command
from kfp_azureml.compiling.flags import options_from
from locks import locked

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "aks.md"
TEXT = PAGE.read_text()
COMMANDS = commands(TEXT)
INLINE = re.findall(r"`(kfp(?:-azureml)? [a-z][^`]* [^`]+)`", TEXT)
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
GROUPS: dict[str, click.Group] = {"kfp": kfp_cli.cli, "kfp-azureml": kfp_azureml_cli}


def calls(program: str) -> list[list[str]]:
    return [call for command in [*COMMANDS, *INLINE] for call in arguments_of(program, command)]


def section(heading: str) -> str:
    return TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def exported_in_section_1() -> dict[str, str]:
    """What the page's first section exports of that which `make` takes from the environment."""
    lines = [line for line in commands(section("1. Names")) if line.startswith("export ")]
    script = "\n".join([*lines, 'printf "%s\\n" "$REGISTRY" "$TAG"'])
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=120, check=True)
    return dict(zip(("REGISTRY", "TAG"), done.stdout.splitlines(), strict=True))


def test_the_page_has_the_commands_that_it_is_about() -> None:
    assert len(COMMANDS) > 40
    for program in ("az", "kubectl", "make", "kfp", "kfp-azureml"):
        assert calls(program), program


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[:40])
def test_bash_takes_every_command(command: str) -> None:
    done = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_make_target_and_variable_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for call in calls("make"):
        assert [word for word in call if "=" not in word and word not in TARGETS] == [], call
        for word in call:
            name, equals, _ = word.partition("=")
            assert not equals or re.search(rf"\b{name}\b", makefile), call


@pytest.mark.parametrize(
    ("program", "call"),
    [(program, call) for program in GROUPS for call in calls(program)],
    ids=lambda value: value if isinstance(value, str) else " ".join(value)[:40],
)
def test_the_command_lines_parse(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str, call: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.yaml").touch()
    parse(GROUPS[program], call)


@pytest.mark.parametrize(
    ("program", "call"),
    [
        ("kfp-azureml", ["compile", "--no-such-flag"]),
        ("kfp-azureml", ["no-such-command"]),
        ("kfp", ["run", "create", "--service-account", "a"]),
    ],
)
def test_a_wrong_command_line_is_refused(program: str, call: list[str]) -> None:
    with pytest.raises(click.UsageError):
        parse(GROUPS[program], call)


def test_every_file_that_is_named_exists() -> None:
    named = {PAGE.parent / link for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", TEXT)}
    named |= {
        ROOT / path for path in re.findall(r"(?<![\w./-])(?:manifests|pipelines|docker|docs|components)/[\w./-]+", TEXT)
    }
    missing = {path for path in named if not path.exists() and path.name != "azcreds.env"}
    assert not missing
    assert len(named) > 5


def test_every_anchor_is_a_heading() -> None:
    headings = re.findall(r"^#+ (.*)", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= anchors


def test_every_overlay_is_on_the_page() -> None:
    rendered = {word for call in calls("make") for word in call if word.startswith("OVERLAYS=")}
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
