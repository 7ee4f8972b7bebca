"""What Kubeflow's API client raises, in words: by status and class of error, never by its wording."""

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
"""Timeouts of a request in seconds, to connect and to answer; kfp's client has none by default.

A pair, since kfp_server_api drops a single number that is not an int (rest.py, `_request_timeout`).
"""
_LOG_IN = "give a token or a session's cookie (--token-file, --cookie-file; see --help)"
_ADVICE = {
    401: f"the server does not know you, or no longer: {_LOG_IN}",
    403: "you may not do this: ask for the role 'kubeflow-edit' in the namespace, or name another with --namespace",
    404: "there is no such thing at this address: check --host, which on a full Kubeflow ends in /pipeline",
    409: "it conflicts with what is there already",
    429: "the server has too much to do: try again later",
}
# Some messages end in a Go stack trace: a line with the function, then an indented one with the file.
_STACK_TRACE = re.compile(r"\n\S+\n\t")
_REDIRECTIONS = (301, 302, 303, 307, 308)
_TOO_MANY = 429


class NotTheApiError(Exception):
    """Something answered, but not with Kubeflow's API: usually its user interface or a login page."""


@contextmanager
def api_errors(doing: str, host: str) -> Iterator[None]:
    """Turn what the API client raises inside the block into one of our errors.

    Args:
        doing: What was being done, such as `creating the run`.
        host: The server's address, to be named.

    Raises:
        KubeflowError: In place of it.
    """
    from kfp_server_api import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (ApiException, HTTPError, NotTheApiError, OSError) as error:
        raise KubeflowError(f"Kubeflow{f' at {host}' if host else ''}, {doing}: {reason(error)}") from error


def reason(error: Exception) -> str:
    """Say in words why a request failed."""
    from kfp_server_api import ApiException
    from urllib3.exceptions import HTTPError

    if isinstance(error, ApiException):
        return _refusal(error)
    if isinstance(error, HTTPError):
        return no_answer(error, REQUEST_SECONDS)
    if isinstance(error, NotTheApiError):
        return f"this is not the API but a page ({error}): --host ends in /pipeline on a full Kubeflow, or {_LOG_IN}"
    return f"{type(error).__name__}: {error}"


def is_passing(error: Exception) -> bool:
    """Say whether the same request may well succeed a little later."""
    from kfp_server_api import ApiException
    from urllib3.exceptions import LocationValueError, MaxRetryError, SSLError

    if isinstance(error, ApiException):
        return bool(error.status == _TOO_MANY or error.status >= 500)
    cause = error.reason if isinstance(error, MaxRetryError) else error
    return not isinstance(cause, (SSLError, LocationValueError, NotTheApiError))


def _refusal(error: ApiException) -> str:
    if error.status in _REDIRECTIONS:
        return f"the server wants you to log in first: {_LOG_IN}"
    said = _own_message(error)
    advice = _ADVICE.get(error.status, f"the server failed with status {error.status}")
    return f"{advice} ({said})" if said else advice


def _own_message(error: ApiException) -> str:
    try:
        answer = json.loads(error.body or "")
    except ValueError:
        return ""
    # Uploads have `error_message`; servers before 2.17 `error`.
    names = ("message", "error_message", "error")
    said = (answer.get(name) for name in names) if isinstance(answer, dict) else ()
    return short(_STACK_TRACE.split(next((text for text in said if text and isinstance(text, str)), ""), 1)[0])


def no_answer(error: HTTPError, limits: tuple[float, float]) -> str:
    """Say in words why there was no answer to a request at all.

    Args:
        error: What the HTTP client raised.
        limits: How many seconds it had to connect and to answer.
    """
    from urllib3 import exceptions

    cause = error.reason if isinstance(error, exceptions.MaxRetryError) else error
    match cause:
        case exceptions.NameResolutionError():
            return "there is no such host: check its name, and whether you need a VPN"
        case exceptions.NewConnectionError():
            return "nothing listens there: is it up, or the port-forward still running?"
        case exceptions.SSLError():
            return _no_trust(cause)
        case exceptions.ConnectTimeoutError():
            return f"no connection within {limits[0]:g} s"
        case exceptions.TimeoutError():
            return f"no answer within {limits[1]:g} s"
        case exceptions.ProtocolError():
            return "the connection was dropped"
        case exceptions.LocationValueError():
            return "this is not an address: expected https://HOST[:PORT][/PATH]"
    return short(str(cause))


def _no_trust(error: HTTPError) -> str:
    inner = error.args[0] if error.args else None
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted ({inner.verify_message}): give its authority's with --ca-cert"
    return "no TLS there: is the address http:// and not https://?"
