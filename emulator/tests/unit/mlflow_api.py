"""MLflow's API of an app under test, without any client of MLflow."""

from __future__ import annotations

from typing import Any

import httpx

from .conftest import App


class Mlflow:
    """A client."""

    def __init__(self, app: App, version: str = "v2.0") -> None:
        self.app = app
        settings = app.parts.settings
        self.url = f"https://eastus.api.azureml.ms/mlflow/{version}{settings.workspace_id}/api/2.0/mlflow"
        self.headers = {"authorization": app.arm.headers["authorization"]}

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return await self.app.http.post(f"{self.url}/{path}", json=body, headers=self.headers)

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.app.http.get(f"{self.url}/{path}", params=query, headers=self.headers)

    async def run(self, **body: Any) -> str:
        answer = (await self.post("runs/create", **body)).raise_for_status().json()
        return str(answer["run"]["info"]["run_id"])

    async def shown(self, run: str) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.get("runs/get", run_id=run)).raise_for_status().json()["run"]
        return answer

    async def experiment(self, name: str, **body: Any) -> str:
        answer = (await self.post("experiments/create", name=name, **body)).raise_for_status().json()
        return str(answer["experiment_id"])


def by_key(labels: list[dict[str, Any]]) -> dict[str, Any]:
    return {label["key"]: label["value"] for label in labels}


def error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]
