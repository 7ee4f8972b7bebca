"""What Azure says of a missing resource, by kind (recorded 2022 to 2024)."""

import pytest

from azureml_emulator.arm.errors import bad_request, not_found

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("environments/e", "No environment exists for name: e, version: , label: "),
        ("environments/e/versions/7", "No environment exists for name: e, version: 7, label: "),
        ("components/c", "Not found component c."),
        ("data/d", "d container was not found."),
        ("datastores/d", "Could not find datastore: d."),
        ("jobs/j", "Run j was not found."),
    ],
)
@pytest.mark.parametrize("deleted", [False, True])
def test_the_service_answers_for_what_azure_resource_manager_does_not_track(
    path: str, message: str, deleted: bool
) -> None:
    error = not_found(f"{WORKSPACE}/{path}", deleted=deleted)

    assert (error.status, error.gateway) == (404, False)
    assert error.document() == {"code": "UserError", "message": message, "details": [], "additionalInfo": []}


@pytest.mark.parametrize("path", ["models/m", "models/m/versions/1"])
def test_a_missing_model_is_a_detail(path: str) -> None:
    document = not_found(f"{WORKSPACE}/{path}").document()

    assert (document["code"], document["message"]) == ("UserError", "The specified resource was not found.")
    assert [detail["code"] for detail in document["details"]] == ["ModelNotFound"]


@pytest.mark.parametrize(
    ("path", "code", "inner", "said"),
    [
        ("onlineEndpoints/e", "NotFound", ["NoSuchEndpoint"], "no endpoint with name: e "),
        ("onlineEndpoints/e/deployments/blue", "NotFound", ["NoSuchService"], "no service with name: blue-e in Subscr"),
        ("batchEndpoints/e", "UserError", [], "'e' does not exist in the workspace 'w'."),
        ("batchEndpoints/e/deployments/blue", "UserError", [], "Deployment blue not found in endpoint e, workspace w"),
    ],
)
def test_what_was_deleted_is_looked_up_by_the_service(path: str, code: str, inner: list[str], said: str) -> None:
    never, deleted = (not_found(f"{WORKSPACE}/{path}", deleted=deleted) for deleted in (False, True))

    assert never.document() == {
        "code": "ResourceNotFound",
        "message": f"The Resource 'Microsoft.MachineLearningServices/workspaces/w/{path}' under resource group 'g' was "
        "not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    }
    assert (deleted.code, [detail.code for detail in deleted.details]) == (code, inner)
    assert said in (deleted.details[0].message if inner else deleted.message)


@pytest.mark.parametrize(
    "asked",
    ["", "k8s", "/providers/x/models/m", "/subscriptions/s/resourceGroups/g/providers/Microsoft.Other/models/m", "[]"],
)
def test_anything_else_can_be_missing_too(asked: str) -> None:
    error = not_found(asked)

    assert error.status == 404
    assert asked.rpartition("/providers/")[2] in error.message


def test_what_a_terminal_would_act_on_is_escaped() -> None:
    error = bad_request("\x1b]0;title\x07 \u202e\x9b2J\r of\ttwo\nlines: ü")

    assert error.message == "\\x1b]0;title\\x07 \\u202e\\x9b2J\\r of\ttwo\nlines: ü"
    assert str(error) == error.message == error.document()["message"]
