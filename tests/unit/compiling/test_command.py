"""`kfp-azureml compile` and `make compile-pipeline`: every option arrives in `PipelineOptions`."""

from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner

import hostile_pipeline
import makefile
from kfp_azureml.azureml_pipelines.command import aml_command
from kfp_azureml.compiling import compile as compile_module
from kfp_azureml.compiling.command import compile_command
from kfp_azureml.compiling.gpu import Gpu, Taint
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.kubeflow.command import submit_command
from kfp_azureml.runtime.errors import PipelineError

DIGEST = f"sha256:{'a' * 64}"
EVERYTHING = PipelineOptions(
    registry="example.azurecr.io/team",
    tag="1.2",
    ml_digest=DIGEST,
    azure_digest=DIGEST,
    ml_gpu_digest=DIGEST,
    pull_secret="acr",
    gpu=Gpu(
        2, "amd.com/gpu", {"agentpool": "gpu", "zone": "1"}, (Taint("a", "NoExecute"), Taint("b", "NoSchedule", "c"))
    ),
    workload_identity=True,
    retries=0,
    timeouts={"train": 99, "prep": 77},
    ttl_seconds=600,
    train_workers=2,
)
FLAGS = [
    *("--registry", "example.azurecr.io/team", "--tag", "1.2", "--pull-secret", "acr", "--ttl", "600"),
    *("--ml-digest", DIGEST, "--azure-digest", DIGEST, "--ml-gpu-digest", DIGEST),
    *(
        "--gpu",
        "2",
        "--gpu-type",
        "amd.com/gpu",
        "--gpu-toleration",
        "a:NoExecute",
        "--gpu-toleration",
        "b=c:NoSchedule",
    ),
    *("--gpu-node-selector", "agentpool=gpu", "--gpu-node-selector", "zone=1"),
    *("--workload-identity", "--retries", "0", "--step-timeout", "train=99", "--step-timeout", "prep=77"),
    *("--train-workers", "2"),
]
VARIABLES = [
    *("REGISTRY=example.azurecr.io/team", "TAG=1.2", "PULL_SECRET=acr", "TTL=600"),
    *(f"ML_DIGEST={DIGEST}", f"AZURE_DIGEST={DIGEST}", f"ML_GPU_DIGEST={DIGEST}"),
    *("GPU=2", "GPU_TYPE=amd.com/gpu", "GPU_TOLERATION=a:NoExecute b=c:NoSchedule"),
    *("GPU_NODE_SELECTOR=agentpool=gpu zone=1", "WORKLOAD_IDENTITY=1", "RETRIES=0", "STEP_TIMEOUT=train=99 prep=77"),
    "TRAIN_WORKERS=2",
]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[PipelineOptions]:
    """What the command asks the compiler for."""
    options = []
    monkeypatch.setattr(compile_module, "compile_pipeline", lambda _source, _output, given: options.append(given) or ())
    return options


def test_everything_can_be_chosen_and_nothing_is_left_out_here() -> None:
    plain = PipelineOptions()
    for field in fields(PipelineOptions):
        assert getattr(EVERYTHING, field.name) != getattr(plain, field.name), field.name


def test_without_flags_everything_is_as_by_default(asked: list[PipelineOptions]) -> None:
    assert CliRunner().invoke(compile_command, []).exit_code == 0
    assert asked == [PipelineOptions()]


@pytest.mark.parametrize("arguments", [FLAGS, VARIABLES], ids=["flags", "make"])
def test_every_option_has_its_flag_and_its_variable(asked: list[PipelineOptions], arguments: list[str]) -> None:
    flags = makefile.compile_flags(*arguments) if arguments is VARIABLES else arguments
    result = CliRunner().invoke(compile_command, flags, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert asked == [EVERYTHING]


def test_make_without_variables_or_with_zeros_asks_for_nothing(asked: list[PipelineOptions]) -> None:
    for variables in ([], ["GPU=0", "WORKLOAD_IDENTITY=0"]):
        CliRunner().invoke(compile_command, makefile.compile_flags(*variables), catch_exceptions=False)
    assert asked == [PipelineOptions(), PipelineOptions()]


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--gpu-type", "nvidia.com/gpu"], "--gpu-type is set, but no GPUs"),
        (["--gpu", "1", "--gpu-toleration", "sku"], "GPU taint 'sku'"),
        (["--gpu", "-1"], "GPU count -1"),
        (["--step-timeout", "train=soon"], "timeout of train 'soon'"),
        (["--ttl", "0"], "TTL 0"),
    ],
)
def test_a_bad_value_is_one_line(asked: list[PipelineOptions], flags: list[str], named: str) -> None:
    with pytest.raises(PipelineError, match=named):
        CliRunner().invoke(compile_command, flags, catch_exceptions=False)
    assert not asked


def test_the_former_names_of_the_timeout_still_work(asked: list[PipelineOptions]) -> None:
    for words in (["--timeout", "train=5"], makefile.compile_flags("TIMEOUT=train=5")):
        assert CliRunner().invoke(compile_command, words, catch_exceptions=False).exit_code == 0
    assert asked == [PipelineOptions(timeouts={"train": 5})] * 2


def test_former_names_are_not_in_the_help() -> None:
    for command, name, former in (
        (compile_command, "--step-timeout STEP=SECONDS", "--timeout"),
        (aml_command.commands["submit"], "--ml-gpu ", "--gpu "),
        (aml_command.commands["submit"], "--subscription-id ID", "--subscription "),
    ):
        told = CliRunner().invoke(command, ["--help"]).output
        assert name in told
        assert former not in told.replace("step-timeout", "").replace("ml-gpu", "")


@pytest.mark.parametrize(
    "option", ["--gpu=1", "--workload-identity", "--retries=0", "--retries=1", "--retries=2", "--ttl=9"]
)
def test_options_for_a_builder_are_refused_alike_by_all_commands(tmp_path: Path, option: str) -> None:
    compiled = tmp_path / "compiled.yaml"
    compile_module.compile_pipeline(Path(hostile_pipeline.__file__), compiled, PipelineOptions())
    for command, rest in ((compile_command, ["--output", str(tmp_path / "out.yaml")]), (submit_command, [])):
        with pytest.raises(PipelineError, match=r"is already compiled: .* cannot be set; compile its .py file"):
            CliRunner().invoke(command, [str(compiled), option, *rest], catch_exceptions=False)


def test_names_of_a_foreign_file_reach_no_terminal_as_escapes(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.yaml"
    compile_module.compile_pipeline(Path(hostile_pipeline.__file__), foreign, PipelineOptions())
    foreign.write_text(foreign.read_text().replace("image: kfp-azureml/ml:0.1.0", 'image: "x/y\\e]0;owned\\a:1"'))

    result = CliRunner().invoke(compile_command, [str(foreign), "--output", str(tmp_path / "out.yaml")])

    assert result.exit_code == 0, result.output
    assert "  image x/y:1\n" in result.output
    assert result.output.replace("\n", "").isprintable()
