"""Check that hosts can be reached: name resolution, proxy, TLS, an HTTP response."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from kfp_azureml.azureml.arm import HOST
from kfp_azureml.runtime.checks import Outcome, failed, passed
from kfp_azureml.runtime.errors import WorkspaceError
from kfp_azureml.runtime.terminal import short

MANAGEMENT_HOST = HOST.removeprefix("https://")
LOGIN_HOST = "login.microsoftonline.com"
REQUEST_SECONDS = (5.0, 10.0)
"""Timeouts of a request in seconds, to connect and to respond."""
MOST_SKEW_SECONDS = 300.0
"""Largest difference of the clocks in seconds; beyond it Microsoft Entra and Azure Storage reject requests."""
_TRIES = 2
_DIAGNOSE = "curl --verbose https://{host}/"


@dataclass(frozen=True)
class Reached:
    """A host that responded.

    Attributes:
        date: Its clock, in seconds since the epoch; None if it sent none.
        now: The local clock at that time, likewise.
    """

    date: float | None
    now: float


def check_host(host: str) -> Outcome:
    """Check that a host responds to an HTTPS request, whatever its status is."""
    try:
        reached = reach(host)
    except WorkspaceError as error:
        return failed(str(error), _mend(host, str(error)))
    return passed(f"{host} responds", reached)


def reach(host: str) -> Reached:
    """Send a request to a host.

    Raises:
        WorkspaceError: If it does not respond.
    """
    import requests

    for attempt in range(1, _TRIES + 1):
        try:
            with requests.get(
                f"https://{host}/", timeout=REQUEST_SECONDS, allow_redirects=False, stream=True
            ) as response:
                sent, now = response.headers.get("Date"), time.time()
            break
        except requests.RequestException as error:
            if attempt == _TRIES or isinstance(error, requests.Timeout):
                raise WorkspaceError(f"{host}: {_reason(error)}") from error
    try:
        return Reached(parsedate_to_datetime(sent).timestamp() if sent else None, now)
    except (TypeError, ValueError):
        return Reached(None, now)


def check_clock(reached: Reached) -> Outcome:
    """Check the local clock against that of a host that responded."""
    if reached.date is None:
        return passed("not compared: Azure sent no date")
    skew = reached.now - reached.date
    if abs(skew) > MOST_SKEW_SECONDS:
        return failed(
            f"the clock of this machine is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}: Azure then rejects "
            f"tokens and signatures (more than {MOST_SKEW_SECONDS:.0f} s)",
            "sudo timedatectl set-ntp true",
        )
    return passed(f"differs from Azure's by {abs(skew):.0f} s")


def _reason(error: Exception) -> str:
    import requests
    from urllib3.exceptions import NameResolutionError

    text = _chain(error)
    if isinstance(error, requests.exceptions.ProxyError):
        refusal = next((part for part in ("407", "403", "502", "503", "504") if f" {part} " in text), "")
        return (
            "the proxy asks for a login"
            if refusal == "407"
            else f"the proxy refuses the connection ({short(text, 120)})"
        )
    if isinstance(error, requests.exceptions.SSLError):
        if "CERTIFICATE_VERIFY_FAILED" in text:
            return "its certificate is not trusted, as behind a proxy that inspects TLS"
        return f"TLS handshake failed ({short(text, 120)})"
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return f"no connection within {REQUEST_SECONDS[0]:g} s: blocked by a firewall?"
    if isinstance(error, requests.Timeout):
        return f"no response within {REQUEST_SECONDS[1]:g} s"
    if NameResolutionError.__name__ in text:
        return "its name cannot be resolved"
    return f"cannot be reached ({short(text, 120)})"


def _chain(error: BaseException | None) -> str:
    texts = []
    while error is not None:
        texts.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return "; ".join(texts)


def _mend(host: str, message: str) -> str:
    if "certificate is not trusted" in message:
        return "export REQUESTS_CA_BUNDLE=/path/to/ca.pem SSL_CERT_FILE=/path/to/ca.pem"
    if "cannot be resolved" in message:
        return f"nslookup {host} (check DNS, VPN, or HTTPS_PROXY)"
    return _DIAGNOSE.format(host=host)
