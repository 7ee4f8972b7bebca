"""Requests to the emulated Databricks workspace, straight to the web app."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import httpx

from azureml_emulator.tokens import DATABRICKS_AUDIENCES
from emulator_app import App

SECONDS = 60.0
ENDED = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")


class Databricks:
    """A signed-in client of the app's workspace."""

    def __init__(self, app: App) -> None:
        self.context = app.context
        self.host = app.context.settings.databricks_host
        self._http = app.http
        self._headers = {"authorization": f"Bearer {app.context.tokens.issue(DATABRICKS_AUDIENCES[0])}"}

    async def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request; return its response, whatever it is."""
        headers = {**self._headers, **request.pop("headers", {})}
        return await self._http.request(method, f"https://{self.host}{path}", headers=headers, **request)

    async def get(self, path: str, /, **query: Any) -> Any:
        """GET something that exists."""
        return (await self.send("GET", f"/api/{path}", params=query)).raise_for_status().json()

    async def post(self, path: str, /, **body: Any) -> Any:
        """POST something that is accepted."""
        return (await self.send("POST", f"/api/{path}", json=body)).raise_for_status().json()

    async def refused(self, method: str, path: str, **request: Any) -> tuple[int, str, str]:
        """Send a request that is refused; return status, error code and message."""
        answer = await self.send(method, f"/api/{path}", **request)
        body = answer.json()
        assert set(body) == {"error_code", "message", "details"}
        return answer.status_code, body["error_code"], body["message"]

    async def import_item(self, path: str, content: str, **fields: Any) -> None:
        """Import a workspace item; as a file unless told otherwise."""
        encoded = base64.b64encode(content.encode()).decode()
        await self.post("2.0/workspace/import", path=path, content=encoded, **{"format": "AUTO", **fields})

    async def submit_script(self, script: str, *parameters: str, **fields: Any) -> int:
        """Submit a run of one Python file; return the run's id."""
        await self.import_item("/Shared/script.py", script, overwrite=True)
        task = {"python_file": "/Workspace/Shared/script.py", "parameters": list(parameters)}
        tasks = [{"task_key": "main", "spark_python_task": task}]
        return int((await self.post("2.2/jobs/runs/submit", tasks=tasks, **fields))["run_id"])

    async def run_notebook(self, source: str, **fields: Any) -> tuple[Any, Any]:
        """Run a notebook; return its run and its output."""
        await self.import_item("/Shared/notebook.py", f"# Databricks notebook source\n{source}", overwrite=True)
        task = {"notebook_path": "/Shared/notebook", **fields}
        submitted = await self.post("2.2/jobs/runs/submit", tasks=[{"task_key": "main", "notebook_task": task}])
        run = await self.ended(submitted["run_id"])
        return run, await self.output(run)

    async def run(self, run_id: int) -> Any:
        """Return a run."""
        return await self.get("2.2/jobs/runs/get", run_id=run_id)

    async def output(self, run: Any, task: int = 0) -> Any:
        """Return the output of a task of a run."""
        return await self.get("2.2/jobs/runs/get-output", run_id=run["tasks"][task]["run_id"])

    async def reached(self, run_id: int, *states: str) -> Any:
        """Wait until a run is in one of some life cycle states; return it."""
        async with asyncio.timeout(SECONDS):
            while (run := await self.run(run_id))["state"]["life_cycle_state"] not in states:
                await asyncio.sleep(0.02)
        return run

    async def ended(self, run_id: int) -> Any:
        """Wait until a run has ended; return it."""
        return await self.reached(run_id, *ENDED)
