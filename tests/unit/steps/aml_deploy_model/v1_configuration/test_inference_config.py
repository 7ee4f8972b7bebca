"""Each field of an inferenceconfig.json: translated, reported or refused."""

import re
import sys

import pytest

from kfp_azureml.runtime.errors import DeploymentError
from kfp_azureml.steps.aml_deploy_model.v1_configuration.translation import with_v1_files

SAMPLE = {
    "entryScript": "/src/score.py",
    "runtime": "python",
    "condaFile": "/src/environment.yml",
    "extraDockerfileSteps": None,
    "sourceDirectory": None,
    "enableGpu": None,
    "baseImage": None,
    "baseImageRegistry": None,
}
PYTHON = f"python={sys.version_info.major}.{sys.version_info.minor}"
CONDA = {"dependencies": [PYTHON, {"pip": ["azureml-inference-server-http~=1.5", "numpy"]}]}


@pytest.fixture
def translate(parameters, write, caplog):
    def call(document, **given):
        caplog.clear()
        after = with_v1_files(parameters(**given), write(document, "inferenceconfig.json"), "")
        return after, "\n".join(caplog.messages)

    return call


def test_the_sample(translate, code):
    after, said = translate(SAMPLE)
    assert (after.code, after.scoring_script, after.conda) == (code, "score.py", CONDA)
    serving = after.serving_settings.serving("custom_model")
    assert serving.environment.conda == CONDA
    assert said.splitlines() == [
        f"environment.yml: python=3.6.2: the inference server needs Python 3.9 or newer: {PYTHON} instead",
        "environment.yml: azureml-defaults: azureml-inference-server-http~=1.5 instead",
    ]


@pytest.mark.parametrize("path", ["/src/score.py", "score.py", "./score.py", "/a/b/src/score.py", r"C:\src\score.py"])
def test_the_code_folder_stands_for_a_folder_of_the_path(translate, path):
    assert translate(SAMPLE | {"entryScript": path})[0].scoring_script == "score.py"


@pytest.mark.parametrize(
    ("directory", "script", "conda"),
    [
        ("/src/app", "score.py", "environment.yml"),
        ("app", "app/score.py", "app/environment.yml"),
        (None, "app/score.py", ""),
    ],
)
def test_a_source_directory_is_a_folder_of_the_code(translate, code, directory, script, conda):
    app = code / "app"
    app.mkdir()
    (code / "score.py").rename(app / "score.py")
    after, _ = translate(
        SAMPLE | {"sourceDirectory": directory, "entryScript": script} | ({"condaFile": conda} if conda else {})
    )
    assert after.code / after.scoring_script == app / "score.py"
    assert after.code == (app if directory else code)


@pytest.mark.parametrize("directory", ["/src", ".", "/home/me/v1.2"])
def test_a_source_directory_may_be_the_code_itself(translate, code, directory):
    assert translate(SAMPLE | {"sourceDirectory": directory})[0].code == code


@pytest.mark.parametrize(
    ("fields", "image"),
    [
        ({"baseImage": "a/b:1"}, "a/b:1"),
        ({"baseImage": "a/b:1", "baseImageRegistry": "reg.io"}, "reg.io/a/b:1"),
        ({"baseImage": "reg.io/a/b:1", "baseImageRegistry": "reg.io"}, "reg.io/a/b:1"),
        ({"baseImage": "a/b:1", "baseImageRegistry": {"address": "reg.io/", "username": None}}, "reg.io/a/b:1"),
        ({"baseImageRegistry": {"address": None, "username": None, "password": None}}, ""),
        ({"baseImage": "a/b:1", "enableGpu": True}, "a/b:1"),
    ],
)
def test_an_image_and_its_registry(translate, fields, image):
    after, said = translate(SAMPLE | fields)
    assert after.image == image
    assert "baseImage" not in said


def test_the_credentials_of_a_registry_are_reported_and_not_shown(translate):
    registry = {"address": "reg.io", "username": "me", "password": "s3cret"}
    _, said = translate(SAMPLE | {"baseImage": "b", "baseImageRegistry": registry})
    assert "baseImageRegistry.password: not used" in said
    assert "baseImageRegistry.username: not used" in said
    assert "s3cret" not in said


def test_an_image_without_a_conda_file(translate):
    after, _ = translate(SAMPLE | {"condaFile": None, "baseImage": "mine"})
    assert (after.image, after.conda) == ("mine", None)
    assert after.serving_settings.serving("custom_model").environment.conda is None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"enableGpu": True}, "enableGpu: the default image has no CUDA: set the parameter image"),
        ({"cudaVersion": "10.1"}, "cudaVersion: set the parameter image"),
        ({"extraDockerfileSteps": "steps"}, "extraDockerfileSteps: Azure ML builds no image with extra steps"),
        ({"extraDockerFileSteps": "steps"}, "extraDockerFileSteps: Azure ML builds no image with extra steps"),
    ],
)
def test_what_needs_another_image_is_refused_until_there_is_one(translate, fields, said):
    with pytest.raises(DeploymentError, match=said):
        translate(SAMPLE | fields)
    after, warned = translate(SAMPLE | fields, image="mine")
    assert after.image == "mine"
    assert said in warned


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"description": "mine"}, "inferenceconfig.json: description: deployments here have none"),
        ({"entryscript": "x"}, "entryscript: unknown, and ignored as by SDK v1: did you mean entryScript?"),
    ],
)
def test_what_has_no_counterpart_is_said(translate, fields, said):
    assert said in translate(SAMPLE | fields)[1]


def test_parameters_win_and_contradictions_are_said(translate, code):
    (code / "other.py").write_text("def init(): ...\ndef run(data): ...\n")
    after, said = translate(SAMPLE | {"baseImage": "theirs"}, scoring_script="other.py", image="mine")
    assert (after.scoring_script, after.image) == ("other.py", "mine")
    assert "entryScript: the parameter scoring_script='other.py' replaces 'score.py'" in said
    assert "baseImage: the parameter image='mine' replaces 'theirs'" in said
    after, said = translate(SAMPLE, environment="mine:3")
    assert (after.environment, after.conda, after.image) == ("mine:3", None, "")
    assert "the parameter environment='mine:3' replaces its environment" in said
    (code / "conda.yaml").write_text("dependencies: [python=3.12]")
    after, said = translate(SAMPLE, conda_file="conda.yaml")
    assert after.serving_settings.serving("custom_model").environment.conda == {"dependencies": ["python=3.12"]}
    assert "the parameter conda_file='conda.yaml' replaces its environment" in said


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"entryScript": None}, "entryScript null: missing"),
        ({"entryScript": "none.py"}, "entryScript 'none.py': no such file in code"),
        ({"entryScript": "../score.py"}, "entryScript '../score.py': must be a path in code, without '..'"),
        ({"entryScript": "a" * 5000}, r"entryScript 'a{100} \.\.\.': must be a path in code"),
        ({"entryScript": "a" * 900}, "entryScript 'a{100}.*: no such file in code"),
        ({"entryScript": "score.py\n"}, r'entryScript "score.py\\n": must be a string of one line'),
        ({"entryScript": ["score.py"]}, r"entryScript \[\.\.\.\]: must be a string"),
        ({"entryScript": "environment.yml"}, "environment.yml line 1: not Python 3"),
        ({"entryScript": "/etc/passwd"}, "entryScript '/etc/passwd': no such file in code"),
        ({"entryScript": "link.py"}, "entryScript 'link.py': leads out of code through a link"),
        ({"condaFile": "none.yml"}, "condaFile 'none.yml': no such file in code"),
        ({"condaFile": None}, "condaFile null: missing: set it, or the parameter"),
        ({"sourceDirectory": "../.."}, "sourceDirectory '../..': must be a path in code"),
        ({"runtime": "spark-py"}, 'runtime "spark-py": endpoints serve Python only'),
        ({"enableGpu": 3}, "enableGpu 3: must be true or false"),
        ({"baseImageRegistry": 3}, "baseImageRegistry 3: must be a string"),
        ({"environment": []}, r"environment \[\.\.\.\]: must be an object"),
        ({"environment": {}}, "environment.name null: set name and version"),
        (
            {"environment": {"docker": {"baseDockerfile": "FROM x"}}},
            "environment.docker.baseDockerfile .*not built here",
        ),
        ({"environment": {"python": {"condaDependencies": {}}}}, "condaDependencies .*must be a conda file"),
        ({"environment": {"environmentVariables": {"A": 1}}}, "the value of A must be a string"),
    ],
)
def test_what_cannot_be_translated_is_one_line(translate, code, tmp_path, fields, said):
    (tmp_path / "outside.py").write_text("")
    (code / "link.py").symlink_to(tmp_path / "outside.py")
    with pytest.raises(DeploymentError, match=said) as refused:
        translate(SAMPLE | fields)
    assert "\n" not in str(refused.value)


def test_an_environment_in_the_file_replaces_the_other_fields(translate):
    environment = {
        "name": "mine",
        "version": "1",
        "environmentVariables": {"KEY": "s3cret"},
        "python": {"userManagedDependencies": False, "condaDependencies": {"dependencies": ["python=3.11"]}},
        "docker": {"baseImage": "img", "baseImageRegistry": {"address": "reg.io"}, "enabled": True, "shmSize": None},
        "spark": {"packages": []},
        "inferencingStackVersion": "latest",
    }
    after, said = translate(SAMPLE | {"environment": environment})
    assert after.image == "reg.io/img"
    assert after.conda["dependencies"][0] == "python=3.11"
    assert after.serving_settings.serving("custom_model").environment_variables(5) == {"KEY": "s3cret"}
    assert "condaFile: ignored as by SDK v1, since there is an environment" in said
    assert "s3cret" not in said
    assert "unknown" not in said


def test_an_environment_of_the_workspace(translate):
    after, _ = translate(SAMPLE | {"environment": {"name": "mine", "version": "4"}})
    assert (after.environment, after.conda) == ("mine:4", None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("[]", r"must be a JSON object, not \[\.\.\.\]"),
        ('{"a": NaN}', "NaN is not a number"),
        ('{"a": -Infinity}', "-Infinity is not a number"),
        ('{"a": 1, "a": 2}', "'a' is there twice"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "not JSON"),
        ('"' + "x" * 1_000_001, "larger than 1000000 bytes"),
    ],
)
def test_a_file_that_is_no_configuration_is_one_line(translate, text, said):
    with pytest.raises(DeploymentError, match=f"inferenceconfig.json: .*{said}") as refused:
        translate(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "name", "said"),
    [
        ({"code": None}, "a.json", "inference_config a.json: names a file in code: set code"),
        ({}, "a.json", "inference_config 'a.json': no such file in code"),
        ({}, "../../a.json", "inference_config '../../a.json': must be a path in code"),
    ],
)
def test_a_file_that_is_not_there(parameters, given, name, said):
    with pytest.raises(DeploymentError, match=re.escape(said)):
        with_v1_files(parameters(**given), name, "")


def test_data_that_the_script_does_not_collect_is_said(translate, code):
    said = "has no Collector of azureml.ai.monitoring"
    given = {"data_collector": {"collections": ["model_inputs"]}}
    assert said in translate(SAMPLE, **given)[1]
    assert said not in translate(SAMPLE, data_collector={"collections": ["request"]})[1]
    (code / "score.py").write_text("from azureml.ai.monitoring import Collector\n")
    assert said not in translate(SAMPLE, **given)[1]
