"""What is written to an endpoint that others use too: read, change, write."""

from types import SimpleNamespace

import pytest
from azure.ai.ml.entities import KubernetesOnlineEndpoint, ManagedOnlineDeployment, ManagedOnlineEndpoint
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from kfp_azureml.aml_deploy_model.deployment import ensure_deployment
from kfp_azureml.aml_deploy_model.endpoint import current_traffic, ensure_endpoint, set_traffic
from kfp_azureml.aml_deploy_model.environment import SERVING_FOLDER
from kfp_azureml.aml_deploy_model.plan import Machines, Plan, Serving
from kfp_azureml.aml_deploy_model.questions import Question
from kfp_azureml.aml_deploy_model.rollout import bring_live
from kfp_azureml.azureml.properties import FINGERPRINT_PROPERTY
from kfp_azureml.azureml.waiting import Deadline
from kfp_azureml.errors import CancelledError, DeploymentError

DEADLINE = Deadline(60, look_at="https://studio")


class Operations:
    """The SDK's operations on one kind of resource; each operation is done at once."""

    def __init__(self, *resources):
        self.stored = {resource.name: resource for resource in resources}
        self.written = []

    def get(self, name, *_endpoint):
        try:
            return self.stored[name]
        except KeyError:
            raise ResourceNotFoundError from None

    def begin_create_or_update(self, resource):
        self.written.append(resource)
        resource._provisioning_state = "Succeeded"
        self.stored[resource.name] = resource
        return SimpleNamespace(done=lambda: True, result=lambda: resource, status=lambda: "Succeeded")


def client(endpoint=None, *deployments):
    return SimpleNamespace(
        online_endpoints=Operations(*[endpoint] if endpoint else []),
        online_deployments=Operations(*deployments),
    )


def live_endpoint(**changes):
    settings = {
        "name": "fashion",
        "tags": {"owner": "shop"},
        "properties": {"theirs": "1", "createdBy": "sdk", "createdAt": "sdk", "lastModifiedAt": "sdk"},
        "description": "of the shop",
        "traffic": {"blue": 90, "teal": 10, "idle": 0},
        "mirror_traffic": {"green": 20, "pink": 10},
        "provisioning_state": "Succeeded",
    }
    endpoint = ManagedOnlineEndpoint(**settings | changes)
    endpoint._provisioning_state = settings["provisioning_state"]
    return endpoint


def plan(**changes):
    settings = {
        "endpoint": "fashion",
        "deployment": "green",
        "model_id": "/models/m/1",
        "model": "m:1",
        "serving": Serving(),
        "machines": Machines(),
        "fingerprint": "print",
        "run_id": "run-7",
    }
    return Plan(**settings | changes)


def deployment(fingerprint="print", state="Succeeded", instance_count=1):
    return ManagedOnlineDeployment(
        name="green",
        endpoint_name="fashion",
        instance_type="Standard_DS3_v2",
        instance_count=instance_count,
        properties={FINGERPRINT_PROPERTY: fingerprint},
        provisioning_state=state,
    )


def test_traffic_moves_and_what_is_not_ours_stays():
    azure = client(live_endpoint())
    assert current_traffic(azure, "fashion") == {"blue": 90, "teal": 10}
    set_traffic(azure, "fashion", {"green": 100}, DEADLINE)
    (written,) = azure.online_endpoints.written
    assert written.traffic == {"green": 100}
    assert written.mirror_traffic == {"pink": 10}
    assert written.tags == {"owner": "shop"}
    assert written.description == "of the shop"
    assert written.properties == {"theirs": "1"}


def test_traffic_that_is_as_asked_is_not_written():
    azure = client(live_endpoint(traffic={"green": 100, "blue": 0}))
    set_traffic(azure, "fashion", {"green": 100}, DEADLINE)
    assert not azure.online_endpoints.written


def test_a_new_endpoint_has_a_key_and_knows_its_run():
    azure = client()
    endpoint = ensure_endpoint(azure, plan(), DEADLINE)
    assert isinstance(endpoint, ManagedOnlineEndpoint)
    assert endpoint.auth_mode == "key"
    assert endpoint.properties == {"kfp_azureml.run_id": "run-7"}


def test_a_new_endpoint_on_kubernetes():
    endpoint = ensure_endpoint(client(), plan(machines=Machines(compute="k8s")), DEADLINE)
    assert isinstance(endpoint, KubernetesOnlineEndpoint)
    assert endpoint.compute == "k8s"


def test_a_sound_endpoint_is_not_touched():
    azure = client(live_endpoint())
    assert ensure_endpoint(azure, plan(), DEADLINE) is azure.online_endpoints.get("fashion")
    assert not azure.online_endpoints.written


def test_a_failed_endpoint_is_written_again_as_it_was():
    endpoint = live_endpoint()
    endpoint._provisioning_state = "Failed"
    azure = client(endpoint)
    ensure_endpoint(azure, plan(), DEADLINE)
    (written,) = azure.online_endpoints.written
    assert written.traffic == {"blue": 90, "teal": 10, "idle": 0}
    assert written.properties == {"theirs": "1"}


def test_an_endpoint_of_the_other_kind_is_refused():
    with pytest.raises(DeploymentError, match="exists and is managed"):
        ensure_endpoint(client(live_endpoint()), plan(machines=Machines(compute="k8s")), DEADLINE)


def test_the_deployment_that_is_there_is_found():
    azure = client(live_endpoint(), deployment())
    ensure_deployment(azure, plan(), azure.online_endpoints.get("fashion"), DEADLINE)
    assert not azure.online_deployments.written


@pytest.mark.parametrize("existing", [deployment(state="Failed"), deployment(instance_count=3), deployment("other")])
def test_a_deployment_that_is_not_as_planned_is_updated(existing):
    azure = client(live_endpoint(), existing)
    made = ensure_deployment(azure, plan(), azure.online_endpoints.get("fashion"), DEADLINE)
    assert azure.online_deployments.written == [made]
    assert made.properties == {FINGERPRINT_PROPERTY: "print", "kfp_azureml.run_id": "run-7"}
    assert made.instance_count == 1


def test_the_server_is_told_what_our_script_needs():
    azure = client(live_endpoint())
    ours = plan(serving=Serving(SERVING_FOLDER, environment="serving:1"))
    made = ensure_deployment(azure, ours, azure.online_endpoints.get("fashion"), DEADLINE)
    assert made.environment_variables == {"WORKER_COUNT": "4"}


def stuck(_resource):
    return SimpleNamespace(done=lambda: False, status=lambda: "InProgress", wait=lambda _seconds: None)


def broken(_resource):
    raise HttpResponseError("the operation failed")


@pytest.mark.parametrize(("begin", "said"), [(stuck, "still InProgress"), (broken, "the operation failed")])
def test_a_deployment_that_does_not_come_up_shows_its_containers_log(begin, said, caplog):
    azure = client(live_endpoint())
    azure.online_deployments.begin_create_or_update = begin
    azure.online_deployments.get_logs = lambda *_names: "no module named torch"
    with pytest.raises(DeploymentError, match=f"deployment green of endpoint fashion: .*{said}"):
        ensure_deployment(azure, plan(), azure.online_endpoints.get("fashion"), Deadline(0, look_at="https://studio"))
    assert "no module named torch" in caplog.text


def test_a_live_deployment_never_gets_another_model_under_its_feet():
    azure = client(live_endpoint(traffic={"green": 100}), deployment("other"))
    with pytest.raises(DeploymentError, match="serves live traffic with another model"):
        ensure_deployment(azure, plan(), azure.online_endpoints.get("fashion"), DEADLINE)
    assert not azure.online_deployments.written


class Answers:
    """An endpoint whose deployment answers rightly, but wrongly when asked by the traffic, or not by it, if told so."""

    def __init__(self, azure, wrong=()):
        self.azure, self.wrong, self.asked = azure, wrong, []

    def ask(self, _question, deployment, *, by_traffic=False):
        self.asked.append((deployment, by_traffic, self.azure.online_endpoints.get("fashion").traffic))
        if by_traffic in self.wrong:
            raise DeploymentError("wrong answer")


def test_a_deployment_is_asked_before_and_after_it_gets_the_traffic():
    azure = client(live_endpoint(traffic={"blue": 100}))
    answers = Answers(azure)
    assert bring_live(azure, plan(), answers, Question(b"{}"), DEADLINE) == {"green": 100}
    assert answers.asked == [("green", False, {"blue": 100}), ("green", True, {"green": 100})]


def test_a_deployment_that_answers_wrongly_gets_no_traffic():
    azure = client(live_endpoint())
    with pytest.raises(DeploymentError, match="wrong answer"):
        bring_live(azure, plan(), Answers(azure, wrong=[False]), Question(b"{}"), DEADLINE)
    assert not azure.online_endpoints.written


def test_traffic_goes_back_if_the_endpoint_stops_answering():
    azure = client(live_endpoint())
    with pytest.raises(DeploymentError, match="wrong answer; the traffic is back as it was: blue 90 %, teal 10 %"):
        bring_live(azure, plan(), Answers(azure, wrong=[True]), Question(b"{}"), DEADLINE)
    assert azure.online_endpoints.get("fashion").traffic == {"blue": 90, "teal": 10}


class Stopped(Answers):
    """Somebody stops the run while the endpoint is asked by its traffic."""

    def ask(self, question, deployment, *, by_traffic=False):
        super().ask(question, deployment, by_traffic=by_traffic)
        if by_traffic:
            raise CancelledError("cancelled by SIGTERM")


def test_traffic_goes_back_if_the_run_is_stopped_before_the_endpoint_answered():
    azure = client(live_endpoint())
    with pytest.raises(CancelledError, match="cancelled by SIGTERM; the traffic is back as it was"):
        bring_live(azure, plan(), Stopped(azure), Question(b"{}"), DEADLINE)
    assert azure.online_endpoints.get("fashion").traffic == {"blue": 90, "teal": 10}


def test_traffic_goes_back_if_moving_it_takes_too_long():
    azure = client(live_endpoint())
    done, moves = azure.online_endpoints.begin_create_or_update, [stuck]

    def begin(endpoint):
        operation = done(endpoint)
        return moves.pop()(endpoint) if moves else operation

    azure.online_endpoints.begin_create_or_update = begin
    with pytest.raises(DeploymentError, match=r"still InProgress .*; the traffic is back as it was"):
        bring_live(azure, plan(), Answers(azure), Question(b"{}"), Deadline(0, look_at="https://studio"))
    assert azure.online_endpoints.get("fashion").traffic == {"blue": 90, "teal": 10}


def test_a_rollback_that_fails_says_both_and_what_to_do():
    azure = client(live_endpoint())
    answers = Answers(azure, wrong=[True])
    done = azure.online_endpoints.begin_create_or_update
    azure.online_endpoints.begin_create_or_update = lambda endpoint: (broken if answers.asked[1:] else done)(endpoint)
    said = r"wrong answer; .*green may have 100 %: set it by hand to blue 90 %, teal 10 % \(.*the operation failed"
    with pytest.raises(DeploymentError, match=said):
        bring_live(azure, plan(), answers, Question(b"{}"), DEADLINE)


def test_without_a_question_the_state_has_to_do():
    azure = client(live_endpoint())
    answers = Answers(azure)
    assert bring_live(azure, plan(), answers, None, DEADLINE) == {"green": 100}
    assert not answers.asked
