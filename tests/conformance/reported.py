"""Errors that users reported of the real service, where none was recorded: the status and the codes, no more."""

from __future__ import annotations

from dataclasses import dataclass

NO_QUOTA, OVER_FAILED, ON_FAILED = "without quota", "over a failed one", "on a failed endpoint"


@dataclass(frozen=True)
class Report:
    """An error that was reported.

    Attributes:
        status: The HTTP status.
        codes: The error's code and its details', as `error_form` writes them.
        where: Where it was reported.
    """

    status: int
    codes: str
    where: str


DEPLOYMENT = "PUT WS/onlineEndpoints/{endpoint}/deployments/{deployment}"
REPORTS = {
    (DEPLOYMENT, NO_QUOTA): Report(
        400, "BadRequest > InferencingClientCreateDeploymentFailed", "MicrosoftLearning/mslearn-azure-ml#30"
    ),
    (DEPLOYMENT, OVER_FAILED): Report(400, "BadRequest > InferencingClientCallFailed", "notes of 2023, 2025 and 2026"),
    (DEPLOYMENT, ON_FAILED): Report(400, "BadRequest > InferencingClientCallFailed", "notes of 2023 and 2026"),
}
