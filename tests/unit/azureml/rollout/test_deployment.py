"""The deployment: found, made or updated; its log when it does not come up."""

import pytest
from azure.ai.ml.entities import KubernetesOnlineDeployment
from azure.core.exceptions import ServiceResponseError

from azure_errors import arm_error, response_error
from azure_workspace import deployment, endpoint, nothing
from kfp_azureml.azureml.property_names import FINGERPRINT_PROPERTY
from kfp_azureml.azureml.rollout import deployment as deployment_module
from kfp_azureml.azureml.rollout.deployment import (
    delete_deployment,
    ensure_deployment,
    live_deployment,
    log_container,
)
from kfp_azureml.azureml.rollout.desired_state import Serving
from kfp_azureml.azureml.rollout.environment import SERVING_FOLDER
from kfp_azureml.azureml.rollout.scaling import Scaling
from kfp_azureml.azureml.rollout.server_settings import RequestSettings, ServerSettings
from kfp_azureml.azureml.waiting import Deadline
from kfp_azureml.runtime.errors import CredentialsError, DeploymentError
from rollouts import desired_state, make_machines


@pytest.fixture
def ensure(azure, deadline):
    def begin(*existing, traffic=None, count=1, until=deadline, state="Succeeded", **changes):
        azure.add(endpoint(traffic))
        for one in existing:
            azure.add_deployment("fashion", one, state)
        return ensure_deployment(azure, desired_state(**changes), azure.endpoint(), count, until)

    return begin


def test_a_new_deployment_is_found_again_by_what_it_is_made_of(azure, ensure):
    made = ensure(count=3)
    assert azure.done == ["PUT deployment green"]
    assert made.properties == {FINGERPRINT_PROPERTY: "print", "kfp_azureml.run_id": "run-7"}
    assert (made.model, made.instance_type, made.instance_count) == ("/models/m/1", "Standard_DS3_v2", 3)
    assert made.tags == {"model": "m:1"}


def test_an_endpoint_that_somebody_else_is_changing_is_waited_for(azure, ensure):
    def somebody_changes_it(_write):
        azure.before = nothing
        azure._endpoints["fashion"].until = azure.clock.now + 100
        azure._endpoints["fashion"].meanwhile = "Updating"

    azure.before = somebody_changes_it
    ensure()
    assert azure.done == ["PUT deployment green"]
    assert azure.clock.now >= 100


def test_a_new_deployment_on_kubernetes(ensure):
    made = ensure(machines=make_machines(compute="k8s"))
    assert isinstance(made, KubernetesOnlineDeployment)
    assert made.instance_type is None


def test_the_server_is_told_what_our_script_needs(ensure):
    made = ensure(serving=Serving(SERVING_FOLDER, "score.py", "serving:1"))
    assert made.environment_variables == {"WORKER_COUNT": "4", "SCORING_TIMEOUT_MS": "60000"}


@pytest.mark.parametrize(
    "machines", [make_machines(), make_machines(instance_count=2), make_machines(instance_type="Standard_DS3_v2")]
)
def test_the_deployment_that_is_there_is_found(azure, ensure, machines):
    found = ensure(deployment("green", instance_count=2), machines=machines, traffic={"green": 100}, count=5)
    assert found.instance_count == 2
    assert azure.writes == []


@pytest.mark.parametrize(
    ("existing", "state", "machines"),
    [
        (deployment("green"), "Failed", make_machines()),
        (deployment("green", instance_count=3), "Succeeded", make_machines(instance_count=1)),
        (deployment("green"), "Succeeded", make_machines(instance_type="Standard_F4s_v2")),
        (deployment("green", fingerprint="other"), "Succeeded", make_machines()),
    ],
)
def test_a_deployment_that_is_not_as_planned_is_updated(azure, ensure, existing, state, machines):
    made = ensure(existing, state=state, machines=machines)
    assert azure.done == ["PUT deployment green"]
    assert made.properties[FINGERPRINT_PROPERTY] == "print"
    assert made.provisioning_state == "Succeeded"


def test_a_deployment_with_other_settings_is_updated_even_if_it_is_live(azure, ensure):
    live = deployment("green", instance_count=3)
    settings = ServerSettings(RequestSettings(30), app_insights=True)
    made = ensure(live, server=settings, traffic={"green": 100}, count=1)
    assert azure.done == ["PUT deployment green"]
    assert (made.request_settings.request_timeout_ms, made.app_insights_enabled) == (30_000, True)
    assert made.instance_count == 3  # its own number, not that of the deployment it replaces
    azure.writes.clear()
    ensure_deployment(azure, desired_state(server=settings), azure.endpoint(), 1, Deadline(60, look_at=""))
    assert azure.writes == []


def test_a_number_of_instances_that_scaling_chose_is_left_alone(azure, ensure):
    machines = make_machines(scaling=Scaling(max_instances=4))
    assert ensure(deployment("green", instance_count=3), machines=machines).instance_count == 3
    assert azure.writes == []


def failed_first(azure, *, ours=True, traffic=None):
    """Have a deployment whose first provisioning failed."""
    azure.add(endpoint(traffic))
    made = deployment("green")
    made.properties = made.properties if ours else {"theirs": "1"}
    azure.add_deployment("fashion", made, "Failed", provisioned=False)


def test_a_deployment_whose_first_provisioning_failed_is_recreated(azure, deadline):
    failed_first(azure)
    made = ensure_deployment(azure, desired_state(), azure.endpoint(), 1, deadline)
    assert azure.done == ["DELETE deployment green", "PUT deployment green"]
    assert made.provisioning_state == "Succeeded"


def test_one_that_fails_again_says_why(azure, deadline):
    failed_first(azure)
    azure.failing["PUT deployment green"] = failed("OutOfQuota")
    with pytest.raises(DeploymentError, match="quota exceeded"):
        ensure_deployment(azure, desired_state(), azure.endpoint(), 1, deadline)
    # And the next attempt begins where this one did.
    azure.failing.clear()
    assert ensure_deployment(azure, desired_state(), azure.endpoint(), 1, deadline).provisioning_state == "Succeeded"


def test_a_foreign_one_is_nobodys_to_delete(azure, deadline):
    failed_first(azure, ours=False)
    with pytest.raises(DeploymentError) as refused:
        ensure_deployment(azure, desired_state(), azure.endpoint(), 1, deadline)
    assert str(refused.value) == (
        "deployment green of endpoint fashion: its first provisioning failed, Azure ML cannot change it, and no run "
        "of this step created it: set another deployment_name, or delete it (az ml online-deployment delete --name "
        "green --endpoint-name fashion)"
    )
    assert azure.writes == []


def test_one_with_traffic_is_not_deleted(azure, deadline):
    failed_first(azure, traffic={"green": 100})
    with pytest.raises(DeploymentError, match="it has a share of the traffic: move that to another deployment"):
        ensure_deployment(azure, desired_state(), azure.endpoint(), 1, deadline)
    assert azure.writes == []


def test_a_new_deployment_that_does_not_show_at_once_is_waited_for(azure, ensure):
    azure.hidden_reads = 4
    assert ensure().provisioning_state == "Succeeded"
    assert azure.done == ["PUT deployment green"]


def test_an_endpoint_that_is_changing_is_waited_for_however_azure_says_so(azure, ensure, clock):
    said = "Cannot create a deployment in endpoint fashion because it is in Updating provisioning state."

    def refuse(_write):
        if clock.now < 12:
            raise response_error(400, {"code": None, "message": said})

    azure.before = refuse
    assert ensure().provisioning_state == "Succeeded"


def test_a_live_deployment_never_gets_another_model_under_its_feet(azure, ensure):
    with pytest.raises(DeploymentError, match="serves live traffic with another model"):
        ensure(deployment("green", fingerprint="other"), traffic={"green": 100})
    assert azure.writes == []


def test_a_deployment_whose_making_lost_its_answer_is_made_once(azure, ensure):
    azure.seconds = 300

    def lose(_write):
        azure.after = lambda _write: None
        raise ServiceResponseError("reset")

    azure.after = lose
    assert ensure().provisioning_state == "Succeeded"
    assert azure.done == ["PUT deployment green"]


def test_a_deployment_that_takes_too_long_shows_its_containers_log(azure, ensure, clock, caplog):
    azure.seconds = 100
    azure.logs["green"] = "no module named torch"
    with pytest.raises(DeploymentError, match="deployment green of endpoint fashion: still InProgress"):
        ensure(until=Deadline(30, look_at="https://studio", started=clock.now))
    assert "no module named torch" in caplog.text


def failed(*codes):
    """Return what the SDK raises of an operation that failed, with Azure's codes from the outermost on."""
    error = None
    for code in reversed(codes):
        error = arm_error(code, details=[error] if error else [])
    return response_error(200, error)


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (("ResourceNotReady",), "the container did not become ready: see its log"),
        (("InternalError", "OutOfQuota"), "quota exceeded"),
        (("Odd",), "deployment green of endpoint fashion: Odd: what the service says"),
    ],
)
def test_a_deployment_that_fails_shows_its_containers_log_and_the_reason(azure, ensure, caplog, codes, said):
    azure.failing["PUT deployment green"] = failed(*codes)
    azure.logs["green"] = "no module named torch"
    with pytest.raises(DeploymentError, match=said):
        ensure()
    assert "no module named torch" in caplog.text


def test_an_image_that_could_not_be_built_shows_the_log_of_its_build(azure, ensure, caplog, monkeypatch):
    monkeypatch.setattr(deployment_module, "read_build_log", lambda _client, lines: f"the last {lines} lines of pip")
    azure.failing["PUT deployment green"] = failed("BadRequest", "ImageBuildFailure")
    with pytest.raises(DeploymentError, match="the environment could not be built"):
        ensure()
    assert "end of the image build log:\nthe last 100 lines of pip" in caplog.text
    assert "container" not in caplog.text


def test_an_image_that_was_not_ready_in_time_shows_the_log_of_its_build(azure, ensure, caplog, monkeypatch):
    monkeypatch.setattr(deployment_module, "read_build_log", lambda _client, _lines: "Installing pip dependencies")
    said = "ResourceNotFound: Deployment failed due to timeout while waiting for Environment Image to become available."
    azure.failing["PUT deployment green"] = response_error(200, {"code": None, "message": said})
    with pytest.raises(DeploymentError, match="the environment's image was not ready in time"):
        ensure()
    assert "Installing pip dependencies" in caplog.text
    assert "container" not in caplog.text


def test_without_a_build_log_the_containers_has_to_do(azure, ensure, caplog, monkeypatch):
    monkeypatch.setattr(deployment_module, "read_build_log", lambda _client, _lines: "")
    azure.failing["PUT deployment green"] = failed("ImageBuildFailure")
    with pytest.raises(DeploymentError):
        ensure()
    assert "the log of green" in caplog.text


def test_a_log_that_azure_does_not_show_is_no_error(azure, caplog):
    azure.add(endpoint())
    log_container(azure, "fashion", "green")
    assert "no container log (ResourceNotFoundError)" in caplog.text


@pytest.mark.parametrize(
    ("traffic", "most"),
    [({"blue": 70, "teal": 30}, "blue"), ({"blue": 10, "green": 90}, "blue"), ({"green": 100}, None), ({}, None)],
)
def test_the_live_deployment_is_the_one_with_most_of_the_traffic_of_others(azure, traffic, most):
    azure.add(endpoint(traffic), *(deployment(name) for name in ("blue", "teal", "green")))
    found = live_deployment(azure, azure.endpoint(), "green")
    assert (found.name if found else None) == most


def test_a_deployment_is_deleted_unless_it_is_gone(azure, deadline):
    azure.add(endpoint(), deployment("blue"))
    delete_deployment(azure, "fashion", "blue", deadline)
    delete_deployment(azure, "fashion", "blue", deadline)
    assert azure.done == ["DELETE deployment blue"]


def test_a_deletion_that_azure_refuses_is_an_error_in_words(azure, deadline):
    azure.add(endpoint({"blue": 100}), deployment("blue"))
    with pytest.raises(
        DeploymentError, match=r"deployment blue of endpoint fashion: deleting: it still receives traffic"
    ):
        delete_deployment(azure, "fashion", "blue", deadline)
    azure.add(endpoint(), deployment("blue"))

    def refuse(_write):
        raise response_error(403, arm_error("AuthorizationFailed"))

    azure.before = refuse
    with pytest.raises(CredentialsError):
        delete_deployment(azure, "fashion", "blue", deadline)
