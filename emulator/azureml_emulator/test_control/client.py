"""A client of the control API, for tests in Python."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

import httpx

from azureml_emulator.errors import EmulatorError
from azureml_emulator.info import EmulatorInfo
from azureml_emulator.test_control.behaviours import AnyBehaviour
from azureml_emulator.test_control.faults import Fault
from azureml_emulator.test_control.recording import RecordedRequest

SECONDS = 60.0


class Control:
    """Controls a running emulator that was started with `--control`.

    It is a context manager.

    Raises:
        EmulatorError: If the emulator was started without `--control`.
    """

    def __init__(self, emulator: EmulatorInfo) -> None:
        if not emulator.control_url:
            raise EmulatorError("the emulator has no control API; start it with --control")
        self._http = httpx.Client(
            base_url=emulator.control_url,
            headers={"authorization": f"Bearer {emulator.control_token}"},
            proxy=emulator.proxy_url,
            verify=ssl.create_default_context(cafile=emulator.ca_file),
            trust_env=False,
            timeout=SECONDS,
            # The server closes idle connections after 5 s: do not reuse older ones.
            limits=httpx.Limits(keepalive_expiry=1.0),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def reset(self) -> None:
        """Restore a fresh workspace; clear faults, behaviours and recorded requests."""
        self._send("POST", "/reset")

    def requests(self) -> list[RecordedRequest]:
        """List the recorded requests in order, blob requests included.

        Returns:
            The requests since the start, the last `reset` or the last `clear_requests`.
        """
        return [RecordedRequest(**recorded) for recorded in self._send("GET", "/requests").json()["value"]]

    def clear_requests(self) -> None:
        """Forget the recorded requests."""
        self._send("DELETE", "/requests")

    def set_faults(self, faults: Iterable[Fault]) -> None:
        """Replace the fault plan and restart counting; the first fault that hits counts."""
        self._send("PUT", "/faults", {"value": [fault.to_dict() for fault in faults]})

    def clear_faults(self) -> None:
        """Remove all faults."""
        self.set_faults([])

    def set_behaviours(self, behaviours: Iterable[AnyBehaviour]) -> None:
        """Replace the behaviours and restart counting; the first that applies counts."""
        self._send("PUT", "/behaviours", {"value": [behaviour.to_dict() for behaviour in behaviours]})

    def clear_behaviours(self) -> None:
        """Remove all behaviours."""
        self.set_behaviours([])

    def release_operations(self) -> None:
        """Let operations continue that a `HoldOperation` holds in progress."""
        self._send("POST", "/operations/release")

    def expire_client_secret(self, *, expired: bool = True) -> None:
        """Make the client secret expired, or valid again."""
        self._send("PUT", "/client-secret", {"expired": expired})

    def deny(self, *actions: str) -> None:
        """Replace the actions that the application may not perform, such as `Microsoft.Insights/metrics/read`."""
        self._send("PUT", "/denied-actions", {"value": list(actions)})

    def _send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        answer = self._http.request(method, path, json=body)
        if answer.is_error:
            raise EmulatorError(f"control API: {method} {path}: status {answer.status_code}: {answer.text}")
        return answer
