"""Errors that users of the real service reported in public, each with its own class and advice.

Where it was reported stands beside each; ids are replaced. The layers around a message are those that the service uses.
"""

import json

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from azure_errors import arm_error, response_error
from kfp_azureml.azureml.azure_errors import (
    error_codes,
    explain,
    has_traffic,
    is_busy,
    is_image_failure,
    never_provisioned,
)
from kfp_azureml.azureml.error_body import read_service_error
from kfp_azureml.runtime.errors import DeploymentError, ModelError, WorkspaceError

GUIDE = " Please see troubleshooting guide, available here: https://aka.ms/oe-tsg#error"
VALIDATION = "One or more validation errors occurred."


def operation(message, code=None):
    """Return a failed operation's answer."""
    return 200, {"status": "Failed", "error": {"code": code, "message": message, "details": [], "additionalInfo": []}}


def refused(message, *codes, status=400, outer="The request is invalid."):
    """Return a refusal: the outermost code, and below it another one with the message."""
    below = [arm_error(codes[-1], message)] if len(codes) > 1 else []
    return status, {"error": arm_error(codes[0], outer if below else message, below)}


def invalid(problem, field=""):
    """Return a validation error as text."""
    return json.dumps({"errors": {field: [problem]}, "title": VALIDATION})


def quota(size="Standard_DS3_v2", needed=8):
    problem = f"Not enough quota available for {size} in SubscriptionId i. Current usage/limit: 0/6."
    return f"{problem} Additional needed: {needed}{GUIDE}-outofquota"


REPORTED = {
    "Azure/mlops-v2#120": (
        operation("ResourceNotReady: User container has crashed or terminated: Liveness probe failed: 502."),
        *(DeploymentError, "the container did not become ready", "User container has crashed"),
    ),
    "MicrosoftLearning/mslearn-azure-ml#41": (
        operation("ResourceNotReady: User container has crashed or terminated: Liveness probe failed: 502." + GUIDE),
        *(DeploymentError, "see its log", "ResourceNotReady: User container"),
    ),
    "Azure/data-product-analytics#137": (
        operation(
            "ResourceNotFound: Deployment failed due to timeout while waiting for Environment Image to become "
            "available. Check Environment Build Log in Workspace." + GUIDE
        ),
        *(DeploymentError, "the environment's image was not ready in time", "timeout while waiting"),
    ),
    "MicrosoftDocs/azure-docs#107890": (
        operation("BadArgument: Endpoint identity does not have pull permission on the registry.."),
        *(DeploymentError, "'AcrPull'", "BadArgument: Endpoint identity"),
    ),
    "MicrosoftLearning/mslearn-azure-ml#30": (
        refused(
            f"InferencingClient HttpRequest error, error detail: {invalid(quota(), 'VmSize')}",
            *("BadRequest", "InferencingClientCreateDeploymentFailed"),
        ),
        *(DeploymentError, "quota exceeded", "Not enough quota available for Standard_DS3_v2"),
    ),
    "Azure/azureml-examples#1635": (
        refused(
            '"Endpoint Quota reached for subscription ***.Current usage/limit: 300/300.Please clean up existing '
            'endpoints and try again"',
            "InferencingClientCallFailed",
        ),
        *(DeploymentError, "endpoint quota of the subscription in this region", "300/300"),
    ),
    "unrecoverable deployment, 2023": (
        refused(
            invalid(
                "Specified deployment [blue] failed during initial provisioning and is in an unrecoverable state. "
                "Delete and re-create."
            ),
            *("BadRequest", "InferencingClientCallFailed"),
        ),
        *(DeploymentError, "its first provisioning failed", "Specified deployment [blue]"),
    ),
    "endpoint not created, 2023": (
        refused(
            invalid("Specified endpoint [e] has not been created successfully. Please recreate the endpoint."),
            *("BadRequest", "InferencingClientCallFailed"),
        ),
        *(DeploymentError, "the endpoint's creation failed", "Specified endpoint [e]"),
    ),
    "deployment on an endpoint not created, 2026": (
        refused(
            invalid(
                "This endpoint has not been created successfully or is in deleting provisioning state. Please recreate "
                "endpoint and then try again to create deployment."
            ),
            *("BadRequest", "InferencingClientCallFailed"),
        ),
        *(DeploymentError, "delete the endpoint and create it again", "This endpoint has not been created"),
    ),
    "first endpoint of a subscription, 2026": (
        operation(
            "Resource provider [N/A] isn't registered with Subscription [N/A]. Please see troubleshooting guide",
            "SubscriptionNotRegistered",
        ),
        *(WorkspaceError, "Microsoft.MachineLearningServices, Microsoft.Cdn and Microsoft.PolicyInsights", "[N/A]"),
    ),
    "Azure/azure-sdk-for-python#39772": (
        refused(
            "",
            *("ServiceError", "InternalServerError"),
            status=500,
            outer="Received 500 from a service request",
        ),
        *(DeploymentError, "internal error of Azure", "Received 500 from a service request"),
    ),
    "Azure/azure-sdk-for-python#35387": (
        refused("Could not find driver program in the request.", "BadRequest", "MissingDriverProgram"),
        *(DeploymentError, "the deployment has no entry script", "Could not find driver program"),
    ),
    "Azure/azure-cli-extensions#7107": (
        refused(
            '{{"title":"Not Found"}}',
            *("NotFound", "InferencingClientCallFailed"),
            status=404,
            outer="The specified resource was not found.",
        ),
        *(DeploymentError, "does not find a resource in the request", "InferencingClientCallFailed: Not Found"),
    ),
    "Azure/azureml-examples#1931": (
        (
            400,
            {
                "error": {
                    "code": None,
                    "message": invalid(
                        "There is already an endpoint with this name, Endpoint name needs to be unique within a "
                        "region. Try some other name."
                    ),
                }
            },
        ),
        *(DeploymentError, "set another endpoint_name", "There is already an endpoint"),
    ),
    "Azure/azure-sdk-for-net#36961": (
        (
            400,
            {
                "error": {
                    "message": "Cannot create a deployment in endpoint e because it is in Updating provisioning state."
                }
            },
        ),
        *(DeploymentError, "another operation on the endpoint is still running", "Cannot create a deployment"),
    ),
    "Azure/azure-dev#4037": (
        refused("Deployment blue not found in endpoint e, workspace w", "UserError", status=404),
        *(DeploymentError, "does not exist", "Deployment blue not found"),
    ),
    "Azure/azureml-assets#2919": (
        refused(
            "Asset azureml://registries/r/models/m/versions/1 was deleted at 1/1/2024, it cannot be recreated. Please "
            "try again with a different version.",
            "UserError",
        ),
        *(ModelError, "set another model_version", "azureml://registries/r"),
    ),
}


def raised(answer):
    """Return what the SDK raises of an answer."""
    status, body = answer
    kinds = {404: ResourceNotFoundError, 409: ResourceExistsError}
    return response_error(status, kind=kinds.get(status, HttpResponseError), body=body)


def with_all_info(node):
    """Add what the service adds to each layer, with nothing in it."""
    if isinstance(node, dict):
        info = {"additionalInfo": None, "target": None} if "message" in node else {}
        return {**{name: with_all_info(item) for name, item in node.items()}, **info}
    return [with_all_info(item) for item in node] if isinstance(node, list) else node


def one_level_deeper(body):
    """Wrap an error into one more of its kind, which says nothing."""
    if "status" in body:
        return {**body, "error": one_level_deeper({"error": body["error"]})["error"]}
    return {"error": {"code": "BadRequest", "message": "", "details": [{"code": "", "details": [body["error"]]}]}}


def of_innermost(change, body):
    """Change the innermost message."""
    if "error" in body:
        return {**body, "error": of_innermost(change, body["error"])}
    if body.get("details"):
        return {**body, "details": [of_innermost(change, body["details"][0])]}
    return {**body, "message": change(body["message"]) if body.get("message") else body.get("message")}


VARIANTS = {
    "as reported": lambda body: body,
    "with additional information": with_all_info,
    "one level deeper": one_level_deeper,
    "as a JSON text": lambda body: of_innermost(json.dumps, body),
    "escaped": lambda body: of_innermost(lambda text: json.dumps(text)[1:-1], body),
    "escaped twice": lambda body: of_innermost(lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1], body),
    "doubled braces": lambda body: of_innermost(lambda text: text.replace("{", "{{").replace("}", "}}"), body),
    "with the guide": lambda body: of_innermost(lambda text: f"{text}{GUIDE}" if "{" not in text else text, body),
    "in other words around it": lambda body: of_innermost(
        lambda text: f"InferencingClient HttpRequest error, error detail: {text}" if text[0] == "{" else text, body
    ),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("where", REPORTED)
def test_each_reported_error_has_its_class_and_advice(where, variant):
    (status, body), kind, advice, said = REPORTED[where]
    explained = explain(raised((status, VARIANTS[variant](body))), "deployment blue", DeploymentError)
    assert type(explained) is kind
    assert str(explained).startswith("deployment blue: ")
    assert advice in str(explained)
    assert said in str(explained)
    assert "\n" not in str(explained)


@pytest.mark.parametrize("code", ["InferencingClientCreateDeploymentFailed", "InferencingClientCallFailed"])
@pytest.mark.parametrize(
    ("problem", "advice"),
    [
        (quota("Standard_NC24ads_A100_v4", 24), "quota exceeded"),
        ("Not enough quota available for Standard_F4s_v2.", "quota exceeded"),
        (
            "The VM size failed to provision due to a lack of Azure Machine Learning capacity.",
            "no capacity for this instance_type",
        ),
        ("Not enough capacity for Standard_ND40rs_v2 in this region.", "no capacity for this instance_type"),
        ("Standard_X1 is not supported.", "instance_type not available"),
    ],
)
def test_the_field_of_a_validation_error_says_what_is_short(code, problem, advice):
    answer = refused(
        f"InferencingClient HttpRequest error, error detail: {invalid(problem, 'VmSize')}", "BadRequest", code
    )
    explained = str(explain(raised(answer), "deployment blue", DeploymentError))
    assert advice in explained
    assert f"{code}: {problem[:40]}" in explained


def test_a_text_that_was_cut_is_understood_all_the_same():
    cut = f"InferencingClient HttpRequest error, error detail: {invalid(quota(), 'VmSize')}"[:140]
    explained = explain(raised(refused(cut, "BadRequest", "InferencingClientCreateDeploymentFailed")), "it")
    assert "quota exceeded" in str(explained)


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("OutOfQuota: Kubernetes unschedulable. Details:0/1 nodes are available", "no node of the cluster"),
        ("OutOfQuota: Endpoint quota reached for subscription", "endpoint quota of"),
        ("OutOfCapacity: The specified VM Size failed to provision", "no capacity for this instance_type"),
        ("ImageBuildFailure: pip says no", "the environment could not be built"),
        ("SubscriptionNotRegistered: Resource provider [N/A]", "Microsoft.Cdn"),
        ("ERROR: (None) ResourceNotReady: it crashed", "see its log"),
    ],
)
def test_the_first_word_of_a_failed_provisioning_is_its_code(message, advice):
    assert advice in str(explain(raised(operation(message)), "deployment blue", DeploymentError))


def test_a_first_word_with_more_before_its_colon_is_no_code():
    assert error_codes(raised(operation("User container has crashed: ResourceNotReady"))) == []


@pytest.mark.parametrize(
    "message",
    [REPORTED["Azure/data-product-analytics#137"][0][1]["error"]["message"], "ImageBuildFailure: pip says no"],
)
def test_an_image_that_is_not_there_is_a_failed_build(message):
    assert is_image_failure(raised(operation(message)))
    assert not is_image_failure(raised(operation("ResourceNotFound: The model's folder is gone")))


def test_what_has_to_be_recreated():
    for where in ("unrecoverable deployment, 2023", "endpoint not created, 2023"):
        assert never_provisioned(raised(REPORTED[where][0]))
    assert not never_provisioned(raised(REPORTED["MicrosoftLearning/mslearn-azure-ml#30"][0]))
    # A container may log what it likes.
    assert not never_provisioned(
        raised(operation("ResourceNotReady: it crashed. Its log: cache in unrecoverable state"))
    )
    assert not never_provisioned(raised(operation("Odd: cache in unrecoverable state")))


def test_what_passes_by_itself():
    assert is_busy(raised(REPORTED["Azure/azure-sdk-for-net#36961"][0]))
    assert is_busy(raised(refused("another operation is in progress", "Conflict", status=409)))
    assert not is_busy(raised(refused("anything", "MissingSubscriptionRegistration", status=409)))
    assert not is_busy(
        raised(refused(REPORTED["Azure/azureml-examples#1931"][0][1]["error"]["message"], "Conflict", status=409))
    )


def test_a_deployment_with_traffic():
    said = '"Can\'t delete deployment [blue] with non-zero traffic weight, Current traffic [100]."'
    error = raised(operation(said, "InferencingClientCallFailed"))
    assert has_traffic(error)
    assert "set its traffic to 0 first" in str(explain(error, "deployment blue: deleting", DeploymentError))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"status": "Canceled"}, "the operation was cancelled in Azure"),
        ({"status": "Canceled", "error": {"code": None, "message": None}}, "the operation was cancelled in Azure"),
        ({"status": "Failed"}, "the operation failed, and Azure gave no reason"),
        ({"status": "Failed", "error": None}, "the operation failed, and Azure gave no reason"),
        ({"status": "Failed", "error": {"code": None, "message": "", "details": None}}, "Azure gave no reason"),
        ({"status": "Failed", "error": {"message": "no idea"}}, "deployment blue: no idea"),
    ],
)
def test_an_operation_with_parts_missing(body, said):
    assert said in str(explain(raised((200, body)), "deployment blue", DeploymentError))


@pytest.mark.parametrize("text", ["", "no JSON", "[1]", '"text"', "null", "{" * 5000, "[" * 100_000])
def test_a_body_that_is_no_error_says_nothing(text):
    error = response_error(500)
    error.response.text = lambda: text
    found = read_service_error(error)
    assert (found.codes, found.message) == ([], "")


def test_texts_within_texts_come_to_an_end():
    text = "the end"
    for _ in range(12):
        text = json.dumps({"message": text})
    assert read_service_error(raised(refused(text, "BadRequest"))).message == "the end"
    nested = {"message": "far below"}
    for _ in range(200):
        nested = {"code": "", "details": [nested]}
    assert read_service_error(raised((400, {"error": nested}))).message == ""


def test_braces_in_a_text_are_no_error():
    error = raised(refused('The template {"a": 1} is not {valid}.', "BadRequest"))
    assert read_service_error(error).message == 'The template {"a": 1} is not {valid}.'


@pytest.mark.parametrize(
    "empty",
    ['{"error": {"code": "Odd", "message": ""}}', '{"message": " ", "details": []}', '{"errors": {"": [""]}}', '""'],
)
def test_an_inner_error_without_a_text_does_not_hide_the_outer_one(empty):
    error = raised(refused(empty, "BadRequest", "InferencingClientCallFailed"))
    assert read_service_error(error).message == "The request is invalid."


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("Endpoint names must be unique within an Azure region.", "another endpoint in this Azure region"),
        ("The name has to be unique in the region", "another endpoint in this Azure region"),
        ("Version 3 was deleted before and can not be recreated", "this version was deleted"),
        ("Asset m:3 was deleted, it can't be re-created", "this version was deleted"),
    ],
)
def test_a_phrase_in_other_words(message, advice):
    assert advice in str(explain(raised(refused(message, "UserError")), "it"))


def test_a_missing_provider_is_the_one_that_azure_names():
    said = "The subscription is not registered to use namespace 'Microsoft.Storage'."
    explained = str(explain(raised(refused(said, "MissingSubscriptionRegistration", status=409)), "it"))
    assert "Microsoft.Storage" in explained
    assert "Microsoft.MachineLearningServices" not in explained


# Codes of https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints, and reported texts.
ON_KUBERNETES = {
    "PodUnschedulable: Unable to schedule pod to nodes, due to insufficient resources in your cluster.": "add nodes",
    "OutOfQuota: The requested CPU or memory couldn't be satisfied. Please adjust your request or the cluster.": (
        "no node of the cluster can take the container: set smaller requests in resources"
    ),
    "PodOutOfMemory: One or more pod(s) were OOMKilled.": "set a larger memory limit in resources",
    "KubernetesCrashLoopBackOff: Pods are in CrashLoopBackOff.": "the container did not become ready: see its log",
    "KubernetesUnaccessible: The Kubernetes cluster isn't accessible.": "kubectl get pods -n azureml",
    "ScoringFeUnhealthy: azureml-fe is not found.": "inference router azureml-fe is missing or unhealthy",
    "NamespaceNotFound: Namespace azureml-ns is not there.": "the cluster has no longer the namespace of the compute",
    "ImagePullLoopBackOff: Images cannot be pulled.": "the cluster cannot pull the image",
    # Azure-Samples/azure-ml-federated-learning#334
    "Invalid instance type. The instance type defined resource requirement has exceeded the node size.": (
        "the cluster cannot use this instance_type"
    ),
}


@pytest.mark.parametrize("message", ON_KUBERNETES)
def test_what_a_cluster_lacks_is_said(message):
    status, body = operation(message)
    error = explain(response_error(status, body), "deployment green", WorkspaceError)
    assert isinstance(error, DeploymentError)
    assert ON_KUBERNETES[message] in str(error)
    assert "\n" not in str(error)


def test_a_cluster_whose_extension_is_not_reached_is_said():
    """AML-Kubernetes, docs/troubleshooting.md."""
    status, body = refused(
        "The k8s-extension of the Kubernetes cluster is not connectable.", "BadRequest", "InferencingClientCallFailed"
    )
    error = explain(response_error(status, body), "endpoint fashion", WorkspaceError)
    assert "detach the compute and attach it again with the same name and namespace" in str(error)
