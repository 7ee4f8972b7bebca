"""A Databricks workspace in memory, for single requests and virtual time; the emulator is the one that runs code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from http_double import Request, Response, json_response

HOST = "https://adb-1234567890123456.7.azuredatabricks.net"

SUCCESS = ("TERMINATED", "SUCCESS")
FAILED = ("TERMINATED", "FAILED")
PENDING, QUEUED, RUNNING = ("PENDING", None), ("QUEUED", None), ("RUNNING", None)


def error(status: int, code: str, message: str) -> Response:
    return json_response(status, {"error_code": code, "message": message})


@dataclass
class Run:
    """A run whose states a test gives: one per request that reads it, the last one for ever."""

    run_id: int
    body: dict[str, Any]
    start_time: int
    states: list[tuple[str, str | None]]
    job_id: int = 77
    repairs: list[int] = field(default_factory=list)
    cancelled: bool = False

    def state(self) -> tuple[str, str | None]:
        if self.cancelled:
            return "TERMINATED", "CANCELED"
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


class Workspace:
    """Answers requests to the Jobs API as Databricks does.

    Attributes:
        next_states: States of the runs that are started from now on.
        outputs: What get-output answers, by task key.
        requests: Each request as `POST jobs/runs/submit`.
        disturb: Called with each request first; an answer replaces the workspace's. None passes, `DROP` drops.
    """

    def __init__(self, *next_states: tuple[str, str | None]) -> None:
        self.next_states = list(next_states or [SUCCESS])
        self.tasks = ["main"]
        self.task_states: Callable[[str, tuple[str, str | None]], tuple[str, str | None]] = lambda _key, state: state
        self.outputs: dict[str, dict[str, Any]] = {}
        self.runs: dict[int, Run] = {}
        self.tokens: dict[str, int] = {}
        self.requests: list[str] = []
        self.bodies: list[tuple[str, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.jobs: dict[int, dict[str, Any]] = {}
        self.disturb: Callable[[str], Response | str | None] = lambda _request: None
        self.clock = 1_000

    def __call__(self, request: Request) -> Response | None:
        path = request.path.partition("/api/")[2].partition("/")[2]
        name = f"{request.method} {path}" if path else f"{request.method} {request.path}"
        self.requests.append(name)
        self.headers.append(dict(request.headers))
        disturbed = self.disturb(name)
        if disturbed == "refuse":
            return None
        if isinstance(disturbed, Response):
            return disturbed
        body = json.loads(request.body) if request.body[:1] == b"{" else {}
        if request.method != "GET":
            self.bodies.append((name, body))
        query = {key: values[0] for key, values in request.query.items()}
        answer = self.answer(name, body, query)
        return None if disturbed == "lose the answer" else answer

    def started(self) -> list[Run]:
        return list(self.runs.values())

    def answer(self, name: str, body: dict[str, Any], query: dict[str, str]) -> Response:
        self.clock += 10
        known = self.runs.get(int(query.get("run_id") or body.get("run_id") or 0))
        match name:
            case "POST jobs/runs/submit" | "POST jobs/run-now":
                return json_response(200, {"run_id": self._start(body)})
            case "GET jobs/runs/list":
                runs = sorted(self.runs.values(), key=lambda run: -run.start_time)
                listed = [run for run in runs if "active_only" not in query or not self._is_over(run)]
                return json_response(200, {"runs": [self._document(run, run.states[0]) for run in listed]})
            case "GET jobs/runs/get" if known:
                return json_response(200, self._document(known, known.state()))
            case "GET jobs/runs/get":
                return error(400, "INVALID_PARAMETER_VALUE", f"Run {query['run_id']} does not exist.")
            case "GET jobs/runs/get-output":
                number = int(query["run_id"])
                if number < 100_000:
                    return error(
                        400, "INVALID_PARAMETER_VALUE", "Retrieving the output of runs with multiple tasks ..."
                    )
                return json_response(200, self.outputs.get(self.tasks[number % 100], {}))
            case "POST jobs/runs/cancel" if known:
                known.cancelled = True
                return json_response(200, {})
            case "POST jobs/runs/repair" if known:
                known.repairs.append(len(known.repairs) + 1)
                known.states = list(self.next_states)
                return json_response(200, {"repair_id": known.repairs[-1]})
            case "GET jobs/get":
                return json_response(200, {"job_id": int(query["job_id"]), "settings": self.jobs[int(query["job_id"])]})
            case "GET jobs/list":
                jobs = [{"job_id": number, "settings": settings} for number, settings in self.jobs.items()]
                return json_response(200, {"jobs": [job for job in jobs if job["settings"]["name"] == query["name"]]})
            case "POST jobs/create":
                self.jobs[len(self.jobs) + 1] = body
                return json_response(200, {"job_id": len(self.jobs)})
            case "POST jobs/reset":
                self.jobs[body["job_id"]] = body["new_settings"]
                return json_response(200, {})
        return error(404, "ENDPOINT_NOT_FOUND", f"no API {name}")

    def _start(self, body: dict[str, Any]) -> int:
        token = body.get("idempotency_token")
        if token in self.tokens:
            return self.tokens[token]
        run_id = 1_000 + len(self.runs)
        self.runs[run_id] = Run(run_id, body, self.clock, list(self.next_states))
        if token:
            self.tokens[token] = run_id
        return run_id

    def _is_over(self, run: Run) -> bool:
        return run.cancelled or run.states[0][0] in ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")

    def _document(self, run: Run, state: tuple[str, str | None]) -> dict[str, Any]:
        history = [{"type": "ORIGINAL"}, *({"type": "REPAIR", "id": number} for number in run.repairs)]
        return {
            "run_id": run.run_id,
            "job_id": run.job_id,
            "number_in_job": run.run_id,
            "run_name": run.body.get("run_name", "job"),
            "run_page_url": f"{HOST}/?o=1#job/77/run/{run.run_id}",
            "start_time": run.start_time,
            "state": _state(state),
            "tasks": list(self._tasks(run, state)),
            "repair_history": history,
            "job_parameters": [
                {"name": name, "value": value} for name, value in run.body.get("job_parameters", {}).items()
            ],
        }

    def _tasks(self, run: Run, state: tuple[str, str | None]) -> Iterator[dict[str, Any]]:
        for position, key in enumerate(self.tasks):
            yield {
                "run_id": 100_000 + run.run_id * 100 + position,
                "task_key": key,
                "state": _state(self.task_states(key, state)),
                "attempt_number": len(run.repairs),
            }


def _state(state: tuple[str, str | None]) -> dict[str, str]:
    life_cycle, result = state
    message = "Workload failed, see run output for details." if result == "FAILED" else ""
    return {"life_cycle_state": life_cycle, "state_message": message, **({"result_state": result} if result else {})}
