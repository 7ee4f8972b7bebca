"""A user's own pipeline: registry, tag, digests and pull secret reach every task of ours, and no other."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from kfp_azureml import images
from kfp_azureml.azureml_pipelines.command import aml_command
from kfp_azureml.compiling.command import compile_command
from kfp_azureml.compiling.compile import compile_pipeline
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.sources import PACKAGE
from kfp_azureml.runtime.errors import PipelineError

REGISTRY = "example.azurecr.io/team"
DIGEST = f"sha256:{'a' * 64}"
OWN = """
from kfp import dsl
from kfp_azureml.components import aml_reconcile, prep, quality_gate


@dsl.component(base_image="example.azurecr.io/other/tool:3")
def measure() -> float:
    return 0.5


@dsl.component(base_image="python:3.11")
def tell(word: str):
    print(word)


@dsl.container_component
def note(word: str):
    return dsl.ContainerSpec(image="quay.io/me/note:1", command=["echo"], args=[word])


@dsl.pipeline(name="inner")
def inner(accuracy: float):
    quality_gate(accuracy=accuracy, min_accuracy=0.4)


def build_pipeline(options):
    @dsl.pipeline(name="mine")
    def mine(data: str = "x"):
        last = aml_reconcile(run_id="r", resource_group="g", workspace="w")
        with dsl.ExitHandler(last):
            inner(accuracy=measure().output)
            with dsl.ParallelFor([0.1, 0.2]) as accuracy:
                judged = quality_gate(accuracy=accuracy, min_accuracy=0.4)
                with dsl.If(judged.outputs["Output"] == "accepted"):
                    tell(word="x")
                    prep(input_data=data)
            note(word="x")
            quality_gate(accuracy=0.5, min_accuracy=0.4).set_container_image("quay.io/me/gate:2")
    return mine
"""
THEIRS = {"example.azurecr.io/other/tool:3", "python:3.11", "quay.io/me/note:1", "quay.io/me/gate:2"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(OWN)
    return tmp_path / "mine.py"


@pytest.fixture
def compiled(source: Path) -> Path:
    compile_pipeline(source, source.with_name("plain.yaml"), PipelineOptions())
    return source.with_name("plain.yaml")


def command(*words: str | Path) -> Result:
    return CliRunner().invoke(compile_command, [*map(str, words)], catch_exceptions=False)


def test_without_options_the_constant_images_stay(source: Path) -> None:
    assert set(compile_pipeline(source, source.with_name("o.yaml"), PipelineOptions())) == THEIRS | {
        images.ML_IMAGE,
        images.AZURE_IMAGE,
    }


@pytest.mark.parametrize("kind", ["source", "compiled"])
def test_registry_tag_and_digest_reach_every_task_of_ours(kind: str, source: Path, compiled: Path) -> None:
    options = PipelineOptions(registry=REGISTRY, tag="7", azure_digest=DIGEST)
    given = source if kind == "source" else compiled
    names = compile_pipeline(given, given.with_name("o.yaml"), options)
    assert set(names) == THEIRS | {f"{REGISTRY}/ml:7", f"{REGISTRY}/azure@{DIGEST}"}
    text = given.with_name("o.yaml").read_text()
    assert "kfp-azureml/" not in "".join(line for line in text.splitlines() if "image:" in line)
    assert text.startswith("# PIPELINE DEFINITION")  # what kfp says of it stays


@pytest.mark.parametrize("kind", ["source", "compiled"])
def test_the_pull_secret_is_for_every_task_with_an_image_from_that_registry(
    kind: str, source: Path, compiled: Path
) -> None:
    given = source if kind == "source" else compiled
    output = given.with_name("o.yaml")
    compile_pipeline(given, output, PipelineOptions(registry=REGISTRY, pull_secret="acr"))
    pipeline, platform = yaml.safe_load_all(output.read_text())
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for label, executor in pipeline["deploymentSpec"]["executors"].items():
        named = [entry["secretName"] for entry in pods.get(label, {}).get("imagePullSecret", [])]
        assert named == (["acr"] if executor["container"]["image"].startswith("example.azurecr.io/") else []), label


def test_one_that_gives_itself_the_pull_secret_gets_it_once(tmp_path: Path) -> None:
    output = tmp_path / "o.yaml"
    options = PipelineOptions(registry=REGISTRY, pull_secret="acr")
    compile_pipeline(PACKAGE.parents[1] / "pipelines" / "image_classification.py", output, options)
    _, platform = yaml.safe_load_all(output.read_text())
    for pod in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
        assert [entry["secretName"] for entry in pod["imagePullSecret"]] == ["acr"]


def test_compile_lists_the_images_and_warns_of_those_without_a_registry(source: Path) -> None:
    result = command(source, "--output", source.with_name("o.yaml"))
    assert result.exit_code == 0
    assert {line.removeprefix("  image ") for line in result.stdout.splitlines()[1:]} == THEIRS | {
        images.ML_IMAGE,
        images.AZURE_IMAGE,
    }
    assert result.stderr.splitlines() == [
        f"Warning: image {images.AZURE_IMAGE} has no registry, so a cluster pulls it from Docker Hub: set --registry",
        f"Warning: image {images.ML_IMAGE} has no registry, so a cluster pulls it from Docker Hub: set --registry",
        "Warning: image python:3.11 has no registry, so a cluster pulls it from Docker Hub",
    ]


@pytest.mark.parametrize("registry", [REGISTRY, "localhost:5000", "localhost/team", "host:80/a_b"])
def test_nothing_is_said_of_images_with_a_registry(registry: str, tmp_path: Path) -> None:
    result = command("--registry", registry, "--output", tmp_path / "o.yaml")
    assert (result.exit_code, result.stderr) == (0, "")


def test_the_readmes_own_pipeline_gets_a_registry(tmp_path: Path) -> None:
    """As a user has it: the block of the README as a file of its own, and the command."""
    readme = (PACKAGE.parents[1] / "README.md").read_text()
    block = readme.partition("## In your own pipeline")[2].partition("```python\n")[2].partition("```")[0]
    (tmp_path / "own.py").write_text(block)
    result = command(tmp_path / "own.py", "--registry", REGISTRY, "--output", tmp_path / "own.yaml")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[1:] == [f"  image {REGISTRY}/azure:{images.TAG}"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"retries": 0}, "retries cannot be set"),
        ({"retries": 1}, "retries cannot be set"),
        ({"retries": 3}, "retries cannot be set"),
        ({"ttl_seconds": 60}, "a TTL"),
        ({"timeouts": {"tell": 5}}, "step timeouts"),
        ({"workload_identity": True}, "workload identity"),
    ],
)
def test_options_that_would_have_no_effect_are_refused(tmp_path: Path, options: dict, told: str) -> None:
    (tmp_path / "own.py").write_text(
        "from kfp import dsl\nfrom kfp_azureml.components import quality_gate\n"
        "@dsl.pipeline(name='own')\ndef own():\n    quality_gate(accuracy=0.5, min_accuracy=0.4)\n"
    )
    compile_pipeline(tmp_path / "own.py", tmp_path / "own.yaml", PipelineOptions())
    for name in ("own.py", "own.yaml"):
        with pytest.raises(PipelineError, match=told):
            compile_pipeline(tmp_path / name, tmp_path / "o.yaml", PipelineOptions(**options))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"registry": "other.io/k"}, "apply to images kfp-azureml/"),
        ({"tag": "7"}, "apply to images kfp-azureml/"),
        ({"ml_digest": DIGEST}, "apply to images kfp-azureml/"),
        ({"pull_secret": "acr"}, "no task uses registry kfp-azureml"),
    ],
)
def test_image_options_that_reach_no_task_are_refused(compiled: Path, options: dict, told: str) -> None:
    """As when a pipeline that was compiled with a registry is to get another one."""
    once = compiled.with_name("once.yaml")
    compile_pipeline(compiled, once, PipelineOptions(registry=REGISTRY))
    with pytest.raises(PipelineError, match=told):
        compile_pipeline(once, compiled.with_name("twice.yaml"), PipelineOptions(**options))
    assert not compiled.with_name("twice.yaml").exists()
    compile_pipeline(once, compiled.with_name("twice.yaml"), PipelineOptions(registry=REGISTRY, pull_secret="acr"))


def test_two_pipelines_in_a_file_need_a_builder(tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text(
        OWN.partition("def build_pipeline")[0] + "\n\n@dsl.pipeline\ndef b():\n    measure()\n"
    )
    with pytest.raises(PipelineError, match=r"build_pipeline\(options\), and 2 pipelines"):
        compile_pipeline(tmp_path / "two.py", tmp_path / "two.yaml", PipelineOptions())


@pytest.mark.parametrize("words", [["submit"], ["components", "register"]])
@pytest.mark.parametrize(
    "option",
    [
        "--retries=2",
        "--ttl=60",
        "--pull-secret=acr",
        "--workload-identity",
        "--gpu-type=a.b/c",
        "--gpu-toleration=a:NoExecute",
    ],
)
def test_azure_ml_is_offered_no_option_that_it_ignores(words: list[str], option: str) -> None:
    result = CliRunner().invoke(aml_command, [*words, option])
    assert result.exit_code == 2
    assert "No such option" in result.output


def test_timeouts_are_for_jobs_only() -> None:
    result = CliRunner().invoke(aml_command, ["components", "register", "--step-timeout", "prep=5"])
    assert (result.exit_code, "No such option" in result.output) == (2, True)
