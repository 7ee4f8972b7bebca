"""The images' definitions, without building them."""

import re
from importlib import metadata
from pathlib import Path

import pytest
from docker.utils.build import exclude_paths

import makefile
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.sources import PACKAGE
from kfp_azureml.images import RUN_AS_USER

ROOT = PACKAGE.parents[1]
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
SETS = ("azure", "ml", "ml-gpu")


def locked(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / f"requirements/{name}.txt").read_text(), re.MULTILINE))


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_the_user_is_the_one_that_pods_ask_for(path: Path) -> None:
    assert f"\nUSER {RUN_AS_USER}:{RUN_AS_USER}\n" in path.read_text()


def test_there_is_one_dockerfile_per_image() -> None:
    assert [path.stem for path in DOCKERFILES] == ["azure", "ml"]


@pytest.mark.parametrize("name", SETS)
def test_kfp_comes_alone_so_that_its_pins_hold_nothing_back(name: str) -> None:
    assert not {"kfp", "kfp-kubernetes", "kfp-server-api", "kubernetes"} & set(locked(name))
    assert list(locked("kfp")) == ["kfp"]
    # kfp's only dependency at run time.
    assert "typing-extensions" in locked(name)


@pytest.mark.parametrize("name", SETS)
def test_the_step_command_has_what_it_needs(name: str) -> None:
    assert {"click", "docstring-parser"} <= locked(name).keys()


def test_kfp_is_the_one_that_compiles_the_pipelines() -> None:
    assert locked("kfp")["kfp"] == locked("dev")["kfp"] == metadata.version("kfp")


def test_each_image_has_its_own_half() -> None:
    assert "azure-ai-ml" in locked("azure")
    assert "tensorflow-cpu" in locked("ml")
    assert not {"tensorflow-cpu", "tensorflow", "keras"} & set(locked("azure"))
    assert not {"azure-ai-ml"} & set(locked("ml"))
    gpu = locked("ml-gpu")
    assert gpu["tensorflow"] == locked("ml")["tensorflow-cpu"]
    assert "tensorflow-cpu" not in gpu
    assert "nvidia-cudnn-cu12" in gpu


@pytest.mark.parametrize("name", [*SETS, "kfp", "build", "sbom", "audit", "dev"])
def test_every_package_is_locked_by_its_hash_and_no_index_is_named(name: str) -> None:
    text = (ROOT / f"requirements/{name}.txt").read_text()
    for requirement in re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)):
        assert "--hash=sha256:" in requirement, requirement
    assert "index" not in re.sub(r"# via.*", "", text)
    assert "://" not in text


def test_the_build_context_is_small_and_holds_no_more_than_it_needs() -> None:
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    sent = [ROOT / path for path in exclude_paths(str(ROOT), patterns)]
    files = [path for path in sent if path.is_file() and path.name != ".dockerignore"]
    assert sum(path.stat().st_size for path in files) < 1_800_000
    assert {path.relative_to(ROOT).parts[0] for path in files} == {
        "LICENSE",
        "README.md",
        "components",
        "pipelines",
        "pyproject.toml",
        "requirements",
    }


EXPORTED = {"REGISTRY": "example.azurecr.io/team", "TAG": "1.2.3"}
THEIRS, OURS = PipelineOptions(registry="example.azurecr.io/team", tag="1.2.3"), PipelineOptions()


def test_make_images_builds_the_images_that_pipelines_name() -> None:
    assert makefile.built_images("images") == [OURS.azure_image, OURS.ml_image]


DIGEST = f"python:3.11-slim-bookworm@sha256:{'a' * 64}"


def test_the_base_image_may_be_a_digest_and_each_image_says_which_it_was() -> None:
    would = makefile.dry_run("images", f"BASE_IMAGE={DIGEST}")
    assert would.count(f'--build-arg BASE_IMAGE="{DIGEST}"') == 2
    for path in (ROOT / "docker").glob("*.Dockerfile"):
        last_stage = path.read_text().rpartition("\nFROM ")[2]
        assert last_stage.startswith("${BASE_IMAGE}\n")
        assert "\nARG BASE_IMAGE\n" in last_stage
        assert 'org.opencontainers.image.base.name="${BASE_IMAGE}"' in last_stage


@pytest.mark.parametrize("exported", [{}, EXPORTED], ids=["variables", "environment"])
def test_make_images_takes_registry_and_tag_as_the_compiler_does(exported: dict[str, str]) -> None:
    variables = [] if exported else [f"{name}={value}" for name, value in EXPORTED.items()]
    made = makefile.built_images("images", *variables, **exported)
    assert made == [THEIRS.azure_image, THEIRS.ml_image]


@pytest.mark.parametrize("goals", [("images", "run", "ARGS=--docker"), ("test-docker",), ("images", "test-docker")])
def test_what_runs_here_builds_the_images_that_it_uses_whatever_is_exported(goals: tuple[str, ...]) -> None:
    assert makefile.built_images(*goals, **EXPORTED) == [OURS.azure_image, OURS.ml_image]


@pytest.mark.parametrize("gpu", ["1", "2", "0", ""])
def test_the_gpu_image_is_built_and_pushed_where_it_is_asked_for(gpu: str) -> None:
    variables = [f"GPU={gpu}", *(f"{name}={value}" for name, value in EXPORTED.items())]
    wanted = [THEIRS.azure_image, THEIRS.ml_image] + ([THEIRS.ml_gpu_image] if gpu in ("1", "2") else [])
    assert makefile.built_images("images", *variables) == wanted
    assert re.findall(r'docker push "([^"]+)"', makefile.dry_run("push", *variables)) == wanted


def test_the_docker_tests_start_from_nothing() -> None:
    would = makefile.dry_run("test-docker", set_up=False)
    assert would.index("uv pip sync") < would.index("docker build") < would.index("pytest")


def test_a_list_of_contents_of_no_image_is_one_line() -> None:
    done = makefile.run("sbom", "DOCKER=/nowhere/docker")
    said, _ = done.stderr.splitlines()  # the other is make's own
    assert said.startswith(f"image {OURS.azure_image} cannot be read (")
    assert said.endswith("/nowhere/docker: No such file or directory): make images builds it")
    assert (done.returncode, done.stdout) == (2, "")
