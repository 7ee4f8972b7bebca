"""What is written to an endpoint that others use too: read, change, write."""

import pytest
from azure.ai.ml.entities import KubernetesOnlineEndpoint, ManagedOnlineEndpoint
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError, ServiceResponseError

from azure_errors import arm_error, response_error
from azure_workspace import KEY, deployment, endpoint
from emulator_rules import check_endpoint
from kfp_azureml.azureml.rollout.endpoint import (
    check_mirror,
    delete_endpoint,
    ensure_endpoint,
    live_traffic,
    mark,
    mirror_traffic,
    read_endpoint,
    scoring_key,
    set_mirror,
    set_traffic,
    take_traffic_from,
    unmark,
)
from kfp_azureml.azureml.rollout.marker import DEPLOYMENT, ENDPOINT, Marker, read_markers
from kfp_azureml.azureml.waiting import Deadline
from kfp_azureml.runtime import redaction
from kfp_azureml.runtime.errors import CredentialsError, DeploymentError, WorkspaceError
from rollouts import desired_state, make_machines

MARKER = Marker("green", "run-7", {"blue": 90, "teal": 10}, (DEPLOYMENT,), 1_700_000_000)
NEW = Marker("green", "run-7", {}, (ENDPOINT, DEPLOYMENT), 1_700_000_000)
ALL = tuple(deployment(name) for name in ("blue", "teal", "green", "pink", "idle"))


@pytest.fixture
def shop(azure):
    """An endpoint that has all that an endpoint can have."""
    azure.add(endpoint({"blue": 90, "teal": 10, "idle": 0}, {"green": 20}), *ALL)
    return azure


def tags(azure):
    return azure.endpoint().tags


# Finding and making it.


def test_a_new_endpoint_has_a_key_knows_its_run_and_is_marked_from_its_first_moment(azure, deadline):
    made = ensure_endpoint(azure, desired_state(), NEW, deadline)
    assert isinstance(made, ManagedOnlineEndpoint)
    assert made.auth_mode == "key"
    assert made.properties == {"kfp_azureml.run_id": "run-7"}
    assert read_markers(made.tags) == [NEW]
    assert azure.done == ["PUT endpoint fashion"]


def test_a_new_endpoint_on_kubernetes(azure, deadline):
    made = ensure_endpoint(azure, desired_state(machines=make_machines(compute="k8s")), NEW, deadline)
    assert isinstance(made, KubernetesOnlineEndpoint)
    assert made.compute == "k8s"


def test_a_sound_endpoint_is_not_touched(shop, deadline):
    assert live_traffic(ensure_endpoint(shop, desired_state(), NEW, deadline)) == {"blue": 90, "teal": 10}
    assert shop.writes == []


def test_a_failed_endpoint_is_written_again_as_it_was(shop, deadline):
    shop.set_state("fashion", "Failed")
    ensure_endpoint(shop, desired_state(), NEW, deadline)
    (write,) = shop.writes
    assert write.resource.traffic == {"blue": 90, "teal": 10, "idle": 0}
    assert write.resource.properties == {"theirs": "1"}
    assert write.resource.tags == {"owner": "shop"}


NEVER_READY = response_error(200, arm_error("SubscriptionNotRegistered", "Resource provider [N/A]"))


@pytest.mark.parametrize("state", ["Failed", "Canceled"])
def test_an_endpoint_of_ours_whose_creation_failed_is_recreated(azure, deadline, state):
    azure.failing["PUT endpoint fashion"] = NEVER_READY
    with pytest.raises(WorkspaceError, match=r"Microsoft\.Cdn"):
        ensure_endpoint(azure, desired_state(run_id="run-6"), Marker("green", "run-6", {}, NEW.made, 5), deadline)
    azure.set_state("fashion", state, provisioned=False)
    azure.failing.clear()
    azure.writes.clear()
    made = ensure_endpoint(azure, desired_state(), NEW, deadline)
    assert azure.done == ["DELETE endpoint fashion", "PUT endpoint fashion"]
    assert (made.provisioning_state, read_markers(made.tags)) == ("Succeeded", [NEW])


def test_an_endpoint_that_another_client_recreated_is_left_alone(azure, deadline, monkeypatch):
    azure.add(endpoint())
    azure.set_state("fashion", "Failed", provisioned=False)

    def refuse(_written):
        azure.add(endpoint())
        check_endpoint("fashion", "Failed", was_provisioned=False)

    monkeypatch.setattr(azure.online_endpoints, "begin_create_or_update", refuse)
    assert ensure_endpoint(azure, desired_state(), NEW, deadline).tags == {"owner": "shop"}
    assert azure.writes == []


def test_a_foreign_endpoint_whose_creation_failed_is_nobodys_to_delete(azure, deadline):
    azure.add(endpoint())
    azure.set_state("fashion", "Failed", provisioned=False)
    with pytest.raises(DeploymentError) as refused:
        ensure_endpoint(azure, desired_state(), NEW, deadline)
    assert str(refused.value) == (
        "endpoint fashion: its creation failed, Azure ML does not use it, and no run of this step created it: "
        "set another endpoint_name, or delete it (az ml online-endpoint delete --name fashion)"
    )
    assert azure.writes == []


@pytest.mark.parametrize("traffic", [{"green": 100}, None])
def test_an_endpoint_that_somebody_uses_is_not_deleted(azure, deadline, traffic):
    foreign = deployment("green")
    foreign.properties = {}
    made = endpoint(traffic)
    made.properties["kfp_azureml.run_id"] = "run-6"
    azure.add(made, foreign)
    azure.set_state("fashion", "Failed", provisioned=False)
    with pytest.raises(DeploymentError, match="but green would be deleted too: delete it if that is intended"):
        ensure_endpoint(azure, desired_state(), NEW, deadline)
    assert azure.writes == []


def test_a_new_endpoint_that_does_not_show_at_once_is_waited_for(azure, deadline):
    azure.hidden_reads = 4
    assert ensure_endpoint(azure, desired_state(), NEW, deadline).name == "fashion"
    assert azure.done == ["PUT endpoint fashion"]


def test_an_endpoint_without_an_address_yet_is_waited_for(azure, deadline, clock):
    azure.add(endpoint())
    get = azure.online_endpoints.get

    def without_address(name):
        found = get(name)
        if clock.now < 12:
            found._scoring_uri = None
        return found

    azure.online_endpoints.get = without_address
    assert ensure_endpoint(azure, desired_state(), NEW, deadline).scoring_uri
    assert clock.now >= 12


def test_an_endpoint_that_gets_no_address_is_an_error(azure, deadline):
    azure.add(endpoint())
    azure.endpoint()._scoring_uri = None
    with pytest.raises(DeploymentError, match="endpoint fashion: Succeeded, but has no scoring URI"):
        ensure_endpoint(azure, desired_state(), NEW, deadline)


@pytest.mark.parametrize(
    ("given", "there", "refused"),
    [
        ("k8s", None, "exists as a managed endpoint: set another endpoint_name, or leave compute empty"),
        ("", "k8s", "exists on compute k8s"),
        ("other", "k8s", "exists on compute k8s"),
        ("K8S", "k8s", None),
        ("/subscriptions/s/x/computes/k8s", "k8s", None),
        ("k8s", "/subscriptions/s/x/computes/K8s", None),
    ],
)
def test_an_endpoint_somewhere_else_is_refused(azure, deadline, given, there, refused):
    azure.add(KubernetesOnlineEndpoint(name="fashion", compute=there) if there else endpoint())
    wanted = desired_state(machines=make_machines(compute=given))
    if refused is None:
        assert ensure_endpoint(azure, wanted, NEW, deadline).name == "fashion"
    else:
        with pytest.raises(DeploymentError, match=refused):
            ensure_endpoint(azure, wanted, NEW, deadline)
    assert azure.writes == []


@pytest.mark.parametrize(
    ("compute", "said"),
    [
        ("nope", "compute nope is not attached to workspace ws"),
        ("/subscriptions/s/x/computes/nope", "is not attached to workspace ws"),
        ("k8s", "endpoint fashion: does not exist"),
        ("", "endpoint fashion: does not exist"),
    ],
)
def test_a_compute_that_is_not_there_is_told_from_whatever_else_is_not(azure, deadline, compute, said):
    def refuse(_write):
        raise response_error(404, arm_error("ResourceNotFound"), ResourceNotFoundError)

    azure.before = refuse
    with pytest.raises(DeploymentError, match=said):
        ensure_endpoint(azure, desired_state(machines=make_machines(compute=compute)), NEW, deadline)


def test_a_name_that_is_taken_elsewhere_in_the_region_is_said(azure, deadline):
    def refuse(_write):
        raise response_error(409, arm_error("Conflict", "taken"), ResourceExistsError)

    azure.before = refuse
    with pytest.raises(DeploymentError, match="the name is taken in this Azure region"):
        ensure_endpoint(azure, desired_state(), NEW, deadline)


def test_an_endpoint_whose_making_lost_its_answer_is_made_once_and_waited_for(azure, deadline):
    azure.seconds = 60

    def lose(_write):
        azure.after = lambda _write: None
        raise ServiceResponseError("reset")

    azure.after = lose
    made = ensure_endpoint(azure, desired_state(), NEW, deadline)
    assert azure.done == ["PUT endpoint fashion"]
    assert made.provisioning_state == "Succeeded"
    assert made.scoring_uri


def test_an_endpoint_that_somebody_is_changing_is_waited_for(shop, deadline, clock):
    began = clock.now
    shop.seconds = 40
    shop.online_endpoints.begin_create_or_update(shop.online_endpoints.get("fashion"))
    ensure_endpoint(shop, desired_state(), NEW, deadline)
    assert clock.now >= began + 40
    assert len(shop.writes) == 1


def test_an_endpoint_is_deleted_unless_it_is_gone(shop, deadline):
    delete_endpoint(shop, "fashion", deadline)
    delete_endpoint(shop, "fashion", deadline)
    assert shop.done == ["DELETE endpoint fashion"]
    assert not shop.has_endpoint()


def test_what_is_not_there_is_an_error_in_words(azure):
    with pytest.raises(DeploymentError, match="reading endpoint fashion: does not exist"):
        read_endpoint(azure, "fashion")


# Its key.


def test_the_key_is_hidden_from_every_log(shop, monkeypatch):
    monkeypatch.setattr(redaction, "_secrets", set())
    assert scoring_key(shop, "fashion") == KEY
    assert redaction.redact(f"x {KEY}", {}) == "x ***"


# Its traffic.


def test_traffic_moves_and_what_is_not_ours_stays(shop, deadline):
    set_traffic(shop, "fashion", {"green": 100}, deadline)
    (write,) = shop.writes
    assert write.resource.traffic == {"green": 100}
    assert write.resource.tags == {"owner": "shop"}
    assert write.resource.description == "of the shop"
    assert write.resource.properties == {"theirs": "1"}
    assert write.resource.auth_mode == "key"


@pytest.mark.parametrize(("mirrored", "left"), [({"green": 20}, {}), ({"pink": 20}, {"pink": 20})])
def test_a_deployment_with_live_traffic_is_not_mirrored_to_and_another_one_still_is(azure, deadline, mirrored, left):
    azure.add(endpoint({"blue": 100}, mirrored), *ALL)
    set_traffic(azure, "fashion", {"blue": 90, "green": 10}, deadline)
    assert mirror_traffic(azure.endpoint()) == left


def test_traffic_and_mark_are_written_in_one_request(shop, deadline):
    set_traffic(shop, "fashion", {"green": 100}, deadline, marker=MARKER)
    (write,) = shop.writes
    assert (write.resource.traffic, read_markers(write.resource.tags)) == ({"green": 100}, [MARKER])
    set_traffic(shop, "fashion", {"green": 100}, deadline, marker=MARKER)
    assert len(shop.writes) == 1


def test_traffic_that_is_as_asked_is_not_written(shop, deadline):
    set_traffic(shop, "fashion", {"teal": 10, "blue": 90}, deadline)
    assert shop.writes == []


@pytest.mark.parametrize("instead_of", [{"blue": 90, "teal": 10}, None])
def test_traffic_is_moved_from_where_it_has_to_be(shop, deadline, instead_of):
    set_traffic(shop, "fashion", {"green": 100}, deadline, instead_of=instead_of)
    assert shop.traffic() == {"green": 100}


def test_traffic_that_somebody_else_has_moved_stays(shop, deadline):
    said = r"another client is moving its traffic, which is blue 90 %, teal 10 % instead of blue 100 %"
    with pytest.raises(DeploymentError, match=said):
        set_traffic(shop, "fashion", {"green": 100}, deadline, instead_of={"blue": 100})
    assert shop.writes == []


def test_a_move_that_comes_second_changes_what_the_first_one_left(shop, deadline):
    """Another operation is under way when we want to write; then the endpoint is read again."""
    shop.seconds = 30

    def other(_write):
        shop.before = lambda _write: None
        theirs = shop.online_endpoints.get("fashion")
        theirs.tags["theirs"] = "new"
        shop.online_endpoints.begin_create_or_update(theirs)

    shop.before = other
    set_traffic(shop, "fashion", {"green": 100}, deadline, instead_of={"blue": 90, "teal": 10})
    assert shop.traffic() == {"green": 100}
    assert tags(shop) == {"owner": "shop", "theirs": "new"}


def test_a_refused_move_is_an_error_in_words(shop, deadline):
    def refuse(_write):
        raise response_error(403, arm_error("AuthorizationFailed", "no"))

    shop.before = refuse
    with pytest.raises(CredentialsError, match="endpoint fashion: traffic green 100 %: the identity lacks permission"):
        set_traffic(shop, "fashion", {"green": 100}, deadline)


def test_a_move_that_takes_too_long_says_so(shop, clock):
    shop.seconds = 100
    with pytest.raises(DeploymentError, match=r"traffic green 100 %: still InProgress after 31 s"):
        set_traffic(shop, "fashion", {"green": 100}, Deadline(30, look_at="https://studio", started=clock.now))


def test_no_way_to_azure_is_said(shop, deadline):
    def cut(_write):
        raise ServiceResponseError("reset")

    shop.before = cut
    with pytest.raises(WorkspaceError, match="traffic green 100 %: Azure cannot be reached"):
        set_traffic(shop, "fashion", {"green": 100}, deadline)


# Its mark.


def test_a_mark_comes_and_goes_and_other_tags_stay(shop, deadline):
    mark(shop, "fashion", MARKER, deadline)
    assert read_markers(tags(shop)) == [MARKER]
    mark(shop, "fashion", MARKER, deadline)
    other = Marker("teal", "run-8", {}, (), 5)
    mark(shop, "fashion", other, deadline)
    unmark(shop, "fashion", MARKER, deadline)
    unmark(shop, "fashion", MARKER, deadline)
    assert tags(shop) == {"owner": "shop", other.tag: other.value}
    assert len(shop.writes) == 3
    assert live_traffic(shop.endpoint()) == {"blue": 90, "teal": 10}


def test_a_mark_that_no_tag_can_hold_ends_it_before_anything_is_written(shop, deadline):
    many = Marker("green", "run-7", {f"deployment-number-{number}": 10 for number in range(10)}, (), 0)
    with pytest.raises(DeploymentError, match="too many for the tag"):
        mark(shop, "fashion", many, deadline)
    assert shop.writes == []


# Mirroring.


def test_mirroring_begins_and_ends(azure, deadline):
    azure.add(endpoint({"blue": 100}), *ALL)
    for percent, mirrored in ((20, {"green": 20}), (20, {"green": 20}), (0, {}), (0, {})):
        set_mirror(azure, "fashion", "green", percent, deadline)
        assert mirror_traffic(azure.endpoint()) == mirrored
    assert len(azure.writes) == 2
    assert azure.traffic() == {"blue": 100}


def test_only_one_deployment_is_mirrored_to(azure, deadline):
    azure.add(endpoint({"blue": 100}, {"pink": 5}), *ALL)
    with pytest.raises(DeploymentError, match="mirrored to pink"):
        check_mirror(azure.endpoint(), "green")
    with pytest.raises(DeploymentError, match="mirrored to pink"):
        set_mirror(azure, "fashion", "green", 20, deadline)
    check_mirror(azure.endpoint(), "pink")
    set_mirror(azure, "fashion", "green", 0, deadline)
    assert azure.writes == []


# The way back.


@pytest.mark.parametrize(
    ("traffic", "mirrored", "then"),
    [
        ({"blue": 81, "teal": 9, "green": 10}, {}, {"blue": 90, "teal": 10}),
        ({"green": 100}, {}, {"blue": 90, "teal": 10}),
        ({"blue": 90, "teal": 10}, {"green": 20}, {"blue": 90, "teal": 10}),
        # Somebody has moved the others meanwhile: they keep what they have, and get our share in their proportions.
        ({"blue": 40, "pink": 50, "green": 10}, {}, {"blue": 44, "pink": 56}),
        ({"pink": 90, "green": 10}, {}, {"pink": 100}),
    ],
)
def test_all_traffic_is_taken_from_a_deployment_and_the_others_get_theirs(azure, deadline, traffic, mirrored, then):
    azure.add(endpoint(traffic, mirrored), *ALL)
    assert take_traffic_from(azure, "fashion", MARKER, deadline) == (True, then)
    assert azure.traffic() == then
    assert mirror_traffic(azure.endpoint()) == {}
    assert take_traffic_from(azure, "fashion", MARKER, deadline) == (False, then)
    assert len(azure.writes) == 1


def test_a_first_deployment_leaves_nobody_with_traffic(azure, deadline):
    azure.add(endpoint({"green": 100}), *ALL)
    assert take_traffic_from(azure, "fashion", NEW, deadline) == (True, {})
    assert azure.traffic() == {}


def test_a_deployment_that_has_no_traffic_any_more_takes_nothing_back(azure, deadline):
    azure.add(endpoint({"pink": 100}, {"teal": 5}), *ALL)
    assert take_traffic_from(azure, "fashion", MARKER, deadline) == (False, {"pink": 100})
    assert azure.writes == []
    assert (azure.traffic(), mirror_traffic(azure.endpoint())) == ({"pink": 100}, {"teal": 5})
