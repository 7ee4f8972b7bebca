"""States of runs and of their tasks, in both forms that the API shows."""

from __future__ import annotations

from dataclasses import dataclass

from azureml_emulator.store import Document

ENDED = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")
# The newer form, `status`, has names of its own.
STATUS = {"SKIPPED": "TERMINATED", "INTERNAL_ERROR": "TERMINATED", "WAITING_FOR_RETRY": "WAITING"}
# The type that goes with a termination code; a run that its user cancelled ended as wished.
TYPES = {
    "SUCCESS": "SUCCESS",
    "SUCCESS_WITH_FAILURES": "SUCCESS",
    "USER_CANCELED": "SUCCESS",
    "SKIPPED": "SUCCESS",
    "DISABLED": "SUCCESS",
    "CLUSTER_ERROR": "CLOUD_FAILURE",
    "CLOUD_FAILURE": "CLOUD_FAILURE",
    "INTERNAL_ERROR": "INTERNAL_ERROR",
    "DRIVER_ERROR": "INTERNAL_ERROR",
}
FAILURES = ("FAILED", "TIMEDOUT", "UPSTREAM_FAILED")
CANCELLATIONS = ("CANCELED", "UPSTREAM_CANCELED")


@dataclass(frozen=True)
class State:
    """The state of a run or of a task.

    Attributes:
        life_cycle: Such as `RUNNING`; `ENDED` has the final ones.
        result: Such as `SUCCESS`, once it has ended.
        message: A message for people.
        code: The termination code, once it has ended.
        stopped: Whether its user cancelled it, or it timed out.
        queue_code: Why it is queued.
    """

    life_cycle: str
    result: str | None = None
    message: str = ""
    code: str | None = None
    stopped: bool = False
    queue_code: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it is final."""
        return self.life_cycle in ENDED

    def may_become(self, state: State) -> bool:
        """Return whether another state may follow: none does after the end, only the end after a cancellation."""
        return not self.has_ended and (state.has_ended or self.life_cycle != "TERMINATING")

    @property
    def failed(self) -> bool:
        """Whether it ended without success."""
        return self.result in FAILURES

    def show(self) -> Document:
        """Write it as the API's `state` and `status`."""
        state: Document = {
            "life_cycle_state": self.life_cycle,
            "state_message": self.message,
            "user_cancelled_or_timedout": self.stopped,
        }
        status: Document = {"state": STATUS.get(self.life_cycle, self.life_cycle)}
        if self.result:
            state["result_state"] = self.result
        if self.queue_code:
            state["queue_reason"] = self.message
            status["queue_details"] = {"code": self.queue_code, "message": self.message}
        if self.code:
            kind = TYPES.get(self.code, "CLIENT_ERROR")
            status["termination_details"] = {"code": self.code, "type": kind, "message": self.message}
        return {"state": state, "status": status}


BLOCKED = State("BLOCKED")
PENDING = State("PENDING", message="Waiting for cluster")
RUNNING = State("RUNNING", message="In run")
TERMINATING = State("TERMINATING", message="Canceling run")
SUCCESS = State("TERMINATED", "SUCCESS", code="SUCCESS")
SUCCESS_WITH_FAILURES = State("TERMINATED", "SUCCESS_WITH_FAILURES", code="SUCCESS_WITH_FAILURES")
CANCELED = State("TERMINATED", "CANCELED", "Run cancelled.", "USER_CANCELED", stopped=True)
TIMEDOUT = State("TERMINATED", "TIMEDOUT", "Run timed out.", "CANCELED", stopped=True)
WORKLOAD_FAILED = State("TERMINATED", "FAILED", "Workload failed, see run output for details", "RUN_EXECUTION_ERROR")
EXCLUDED = State("SKIPPED", "EXCLUDED", "The condition of run_if was not met.", "SKIPPED")
UPSTREAM_FAILED = State("SKIPPED", "UPSTREAM_FAILED", "An upstream task failed.", "RUN_EXECUTION_ERROR")
UPSTREAM_CANCELED = State("SKIPPED", "UPSTREAM_CANCELED", "An upstream task was canceled.", "USER_CANCELED")
TOO_MANY_RUNS = State(
    "SKIPPED",
    "MAXIMUM_CONCURRENT_RUNS_REACHED",
    "The maximum number of concurrent runs of the job was reached.",
    "MAX_CONCURRENT_RUNS_EXCEEDED",
)
DRIVER_LOST = State(
    "INTERNAL_ERROR",
    "FAILED",
    "The driver was lost: the emulator was stopped during the run.",
    "DRIVER_ERROR",
)


def internal_error(message: str, code: str = "INTERNAL_ERROR") -> State:
    """A run that failed before or beside its workload."""
    return State("INTERNAL_ERROR", "FAILED", message, code)
