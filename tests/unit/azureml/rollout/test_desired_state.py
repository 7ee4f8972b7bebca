import pytest

from kfp_azureml.azureml.rollout.desired_state import Serving, ServingSettings
from kfp_azureml.azureml.rollout.environment import EnvironmentRecipe
from kfp_azureml.runtime.errors import DeploymentError
from rollouts import make_machines


@pytest.fixture
def code(tmp_path):
    (tmp_path / "score.py").write_text("def init(): ...\ndef run(data): ...\n")
    (tmp_path / "conda.yaml").write_text("dependencies: [python=3.11]\n")
    return tmp_path


def choose(model_type="custom_model", code=None, scoring_script="score.py", environment="", conda_file=None, image=""):
    return ServingSettings(code, scoring_script, environment, conda_file, image).serving(model_type)


def test_a_model_folder_of_ours_is_served_by_our_script():
    serving = choose()
    assert (serving.code / serving.scoring_script).is_file()
    assert serving.environment_reference.startswith("kfp-azureml-serving:")


@pytest.mark.parametrize("model_type", ["mlflow_model", "triton_model"])
def test_a_model_that_azure_serves_by_itself_needs_neither_script_nor_environment(model_type):
    assert choose(model_type) == Serving(None, "score.py", None)


@pytest.mark.parametrize("reference", ["mine:3", "azureml:mine:3"])
def test_code_in_an_environment_of_the_workspace(code, reference):
    assert choose(code=code, environment=reference).environment == "mine:3"


def test_code_in_an_environment_of_a_registry(code):
    reference = "azureml://registries/azureml/environments/sklearn/versions/1"
    assert choose(code=code, environment=reference).environment == reference


def test_code_with_its_conda_file(code, tmp_path):
    environment = choose(code=code, conda_file=tmp_path / "conda.yaml").environment
    assert isinstance(environment, EnvironmentRecipe)
    assert environment.conda == {"dependencies": ["python=3.11"]}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"environment": "a:1", "image": "i"}, "set either environment, or conda_file and image"),
        ({"environment": "a:1"}, "environment and conda_file require code"),
        ({"conda_file": "conda.yaml"}, "environment and conda_file require code"),
        ({"with_code": True}, "has no environment"),
        ({"with_code": True, "scoring_script": "other.py", "image": "i"}, r"entry script .*other\.py: missing"),
        ({"with_code": True, "conda_file": "none.yaml"}, r"none\.yaml: missing"),
    ],
)
def test_what_does_not_go_together_is_refused(code, given, said):
    arguments = {name: value for name, value in given.items() if name != "with_code"}
    with pytest.raises(DeploymentError, match=said):
        choose(code=code if "with_code" in given else None, **arguments)


def test_the_fingerprint_changes_with_all_that_changes_the_answers(code):
    def fingerprint(model="m:1", environment="e:1", script="score.py"):
        return Serving(code, script, environment).fingerprint(model)

    (code / "other.py").write_text("")
    first = fingerprint()
    assert first == fingerprint()
    assert len({first, fingerprint("m:2"), fingerprint(environment="e:2"), fingerprint(script="other.py")}) == 4
    (code / "score.py").write_text("changed")
    assert fingerprint() != first


def test_environment_variables_change_the_answers_and_reach_the_server(code):
    plain, told = Serving(code, "score.py", "e:1"), Serving(code, "score.py", "e:1", {"THRESHOLD": "0.5"})
    assert plain.fingerprint("m:1") != told.fingerprint("m:1")
    assert (plain.environment_variables(60), told.environment_variables(60)) == ({}, {"THRESHOLD": "0.5"})


def test_a_conda_file_that_is_already_read(code):
    conda = {"dependencies": ["python=3.12"]}
    assert ServingSettings(code, "score.py", "", None, "", conda).serving("custom_model").environment.conda == conda


def test_our_script_uses_every_core_and_ends_with_its_request_and_other_code_is_left_alone(code):
    assert choose().environment_variables(60) == {"WORKER_COUNT": "4", "SCORING_TIMEOUT_MS": "60000"}
    assert choose(code=code, image="i").environment_variables(60) == {}
    assert choose("mlflow_model").environment_variables(60) == {}


def test_machines_have_a_default_but_on_kubernetes():
    assert make_machines().resolved_instance_type == "Standard_DS3_v2"
    assert make_machines(compute="k8s").resolved_instance_type is None
    assert make_machines(compute="k8s", instance_type="gpu").resolved_instance_type == "gpu"
