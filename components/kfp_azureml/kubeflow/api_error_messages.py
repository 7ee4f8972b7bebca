"""Messages for errors of Kubeflow's API client, by HTTP status and exception class."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kfp_azureml.runtime.errors import KubeflowError
from kfp_azureml.runtime.terminal import short

if TYPE_CHECKING:
    from kfp_server_api import ApiException
    from urllib3.exceptions import HTTPError

REQUEST_SECONDS = (10.0, 60.0)
"""Timeouts of a request in seconds, to connect and to respond; kfp's client has none by default.

A pair, since kfp_server_api drops a single number that is not an int (rest.py, `_request_timeout`).
"""
_LOG_IN = "set a token or session cookie (--token-file, --cookie-file; see --help)"
_ADVICE = {
    401: f"not authenticated: {_LOG_IN}",
    403: "no permission: request the role 'kubeflow-edit' in the namespace, or set another with --namespace",
    404: "not found: check --host, which ends in /pipeline on a full Kubeflow",
    409: "conflict with an existing resource: set another name",
    429: "the server is throttling requests: try again later",
}
# Some messages end with a Go stack trace: a line with the function, then an indented one with the file.
_STACK_TRACE = re.compile(r"\n\S+\n\t")
_REDIRECTIONS = (301, 302, 303, 307, 308)
_TOO_MANY = 429


class NotTheApiError(Exception):
    """The response is not from Kubeflow's API, but usually from its UI or a login page."""


@contextmanager
def api_errors(doing: str, host: str) -> Iterator[None]:
    """Replace exceptions of the API client in the block with one-line errors.

    Args:
        doing: The operation, such as `creating the run`.
        host: The server's URL, for the message.

    Raises:
        KubeflowError: In place of such an exception.
    """
    from kfp_server_api import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (ApiException, HTTPError, NotTheApiError, OSError) as error:
        raise KubeflowError(f"Kubeflow{f' at {host}' if host else ''}, {doing}: {reason(error)}") from error


def reason(error: Exception) -> str:
    """Return the message for a failed request."""
    from kfp_server_api import ApiException
    from urllib3.exceptions import HTTPError

    if isinstance(error, ApiException):
        return _rejection(error)
    if isinstance(error, HTTPError):
        return no_answer(error, REQUEST_SECONDS)
    if isinstance(error, NotTheApiError):
        where = "--host ends in /pipeline on a full Kubeflow"
        return f"the response is a web page, not the API ({error}): {where}, or {_LOG_IN}"
    return f"{type(error).__name__}: {error}"


def is_transient(error: Exception) -> bool:
    """Tell whether an error is transient, so that a retry may succeed."""
    from kfp_server_api import ApiException
    from urllib3.exceptions import LocationValueError, MaxRetryError, SSLError

    if isinstance(error, ApiException):
        return bool(error.status == _TOO_MANY or error.status >= 500)
    cause = error.reason if isinstance(error, MaxRetryError) else error
    return not isinstance(cause, (SSLError, LocationValueError, NotTheApiError))


def _rejection(error: ApiException) -> str:
    if error.status in _REDIRECTIONS:
        return f"the server redirects to a login page: {_LOG_IN}"
    said = _own_message(error)
    advice = _ADVICE.get(error.status, f"the server responded with status {error.status}")
    return f"{advice} ({said})" if said else advice


def _own_message(error: ApiException) -> str:
    try:
        answer = json.loads(error.body or "")
    except ValueError:
        return ""
    # Uploads use `error_message`, servers before 2.17 `error`.
    names = ("message", "error_message", "error")
    said = (answer.get(name) for name in names) if isinstance(answer, dict) else ()
    return short(_STACK_TRACE.split(next((text for text in said if text and isinstance(text, str)), ""), 1)[0])


def no_answer(error: HTTPError, limits: tuple[float, float]) -> str:
    """Return the message for a request without a response.

    Args:
        error: The exception of the HTTP client.
        limits: Timeouts in seconds, to connect and to respond.
    """
    from urllib3 import exceptions

    cause = error.reason if isinstance(error, exceptions.MaxRetryError) else error
    match cause:
        case exceptions.NameResolutionError():
            return "unknown host: check its name, and whether you need a VPN"
        case exceptions.NewConnectionError():
            return "connection refused: check that the server or the port-forward is running"
        case exceptions.SSLError():
            return _no_trust(cause)
        case exceptions.ConnectTimeoutError():
            return f"no connection within {limits[0]:g} s"
        case exceptions.TimeoutError():
            return f"no response within {limits[1]:g} s"
        case exceptions.ProtocolError():
            return "the connection was lost"
        case exceptions.LocationValueError():
            return "not a valid URL: expected https://HOST[:PORT][/PATH]"
    return short(str(cause))


def _no_trust(error: HTTPError) -> str:
    inner = error.args[0] if error.args else None
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({inner.verify_message}): set the CA's certificate with --ca-cert"
    return "TLS handshake failed: if the server does not use TLS, set an http:// URL"
