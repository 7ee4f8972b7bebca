"""Which actions the permissions of Azure Resource Manager allow."""

import pytest

from kfp_azureml.azureml.checks.permissions import PERMISSIONS, is_allowed

PROVIDER = "Microsoft.MachineLearningServices"
# The built-in role, of June 2023.
DATA_SCIENTIST = {
    "actions": [f"{PROVIDER}/workspaces/*/{verb}" for verb in ("read", "action", "delete", "write")],
    "notActions": [
        *(f"{PROVIDER}/workspaces/{verb}" for verb in ("delete", "write")),
        *(f"{PROVIDER}/workspaces/computes/*/{verb}" for verb in ("write", "delete")),
        *(f"{PROVIDER}/workspaces/{kind}listKeys/action" for kind in ("", "computes/")),
        *(f"{PROVIDER}/workspaces/{kind}/{verb}" for kind in ("hubs", "featurestores") for verb in ("write", "delete")),
    ],
}
CONTRIBUTOR = {"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write", "Microsoft.Authorization/*/Delete"]}
READER = {"actions": ["*/read"], "notActions": []}


@pytest.mark.parametrize(
    ("action", "allowed"),
    [
        (f"{PROVIDER}/workspaces/read", True),
        (f"{PROVIDER}/workspaces/models/versions/write", True),
        (f"{PROVIDER}/workspaces/onlineEndpoints/listKeys/action", True),
        (f"{PROVIDER}/workspaces/write", False),
        (f"{PROVIDER}/workspaces/computes/write", False),
        (f"{PROVIDER}/workspaces/listKeys/action", False),
        (f"{PROVIDER}/locations/usages/read", False),
        ("Microsoft.Insights/metrics/read", False),
    ],
)
def test_the_role_data_scientist(action: str, allowed: bool) -> None:
    assert is_allowed([DATA_SCIENTIST], action) is allowed
    assert is_allowed([DATA_SCIENTIST], action.upper()) is allowed


def test_one_role_is_enough_and_exclusions_count_for_their_role_only() -> None:
    action = f"{PROVIDER}/workspaces/write"
    assert is_allowed([DATA_SCIENTIST, CONTRIBUTOR], action)
    assert not is_allowed([DATA_SCIENTIST, READER], action)
    assert is_allowed([READER], "Microsoft.Insights/metrics/read")
    assert not is_allowed([], action)
    assert not is_allowed([{"actions": None, "notActions": None}], action)


def test_the_roles_in_the_advice_have_the_actions() -> None:
    roles = {
        "AzureML Data Scientist": DATA_SCIENTIST,
        "Contributor": CONTRIBUTOR,
        "Monitoring Reader": {"actions": ["*/read", "Microsoft.OperationalInsights/workspaces/search/action"]},
    }
    for permission in PERMISSIONS:
        assert all(is_allowed([roles[permission.role]], action) for action in permission.actions), permission.name
