"""The MLflow and artifact APIs of the data plane."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.arm.resources import PROVIDER
from azureml_emulator.context import Context
from azureml_emulator.tracking import artifacts, experiments, model_versions, registered_models, runs

WORKSPACE = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{PROVIDER}/workspaces/{{workspace}}"
VERSIONS = ("v1.0", "v2.0")
"""Equal versions of Azure ML's MLflow API: MLflow 1 clients use the first, later ones the second."""


def routes(context: Context) -> list[BaseRoute]:
    """Return the routes for clients with a token."""
    mlflow = [*experiments.routes, *runs.routes, *registered_models.routes, *model_versions.routes]
    api = [Mount("/api/2.0/mlflow", routes=mlflow), Mount("/api/2.0/preview/mlflow", routes=runs.preview_routes)]
    only = [Middleware(OnlyWorkspace, workspace_id=context.settings.workspace_id)]
    return [
        Mount(f"/mlflow/{{api}}{WORKSPACE}", routes=api, middleware=only),
        Mount(f"/artifact/v2.0{WORKSPACE}", routes=artifacts.routes, middleware=only),
    ]


class OnlyWorkspace:
    """Middleware: accept only the emulator's workspace, in any case."""

    def __init__(self, app: ASGIApp, workspace_id: str) -> None:
        self._app = app
        self._workspace_id = workspace_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if it names this workspace."""
        names = scope["path_params"]
        if names.get("api", VERSIONS[0]) not in VERSIONS:
            raise HTTPException(404)
        asked = WORKSPACE.format(**names)
        if asked.lower() != self._workspace_id.lower():
            raise ArmError(
                404, "ResourceNotFound", f"There is no workspace {asked}; the emulator has only {self._workspace_id}."
            )
        await self._app(scope, receive, send)
