"""Check proxies and CA certificates in the environment, without a request."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from kfp_azureml.azureml.socks_proxy import check_socks_proxy
from kfp_azureml.runtime.checks import Check, Outcome, failed, passed, warning
from kfp_azureml.runtime.errors import WorkspaceError

CONNECT_SECONDS = 5.0
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
"""Environment variables with a file of CA certificates."""
_PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_PORTS = {"https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}
_AZURE_HOSTS = (
    "management.azure.com",
    "login.microsoftonline.com",
    "region.api.azureml.ms",
    "account.blob.core.windows.net",
    "endpoint.region.inference.ml.azure.com",
)


def network_checks(environ: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """Yield the checks of proxy and certificates, which all requests use."""
    yield Check("network.proxy", lambda _: check_proxy(environ))
    yield Check("network.ca-bundle", lambda _: check_ca_bundles(environ))


def check_proxy(environ: Mapping[str, str] = os.environ) -> Outcome:
    """Check that the proxy for HTTPS is valid, supported and reachable."""
    name = next((name for name in _PROXIES if environ.get(name)), "")
    if not name:
        return passed("no proxy is set")
    mend = f"export {name}=http://HOST:PORT, or unset {name}"
    try:
        check_socks_proxy(environ, with_httpx=True)
    except WorkspaceError as error:
        return failed(str(error), f"pip install PySocks socksio, or unset {name}")
    # The URL may contain a password: messages have only host and port.
    value = environ[name]
    try:
        url = urlsplit(value if "://" in value else f"http://{value}")
        host, port = url.hostname, url.port or _PORTS.get(url.scheme, 80)
    except ValueError:
        host, port = None, 0
    if not host:
        return failed(f"{name} is not a proxy's URL", mend)
    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except OSError as error:
        return failed(f"the proxy in {name}, {host}:{port}, cannot be reached ({_reason(error)})", mend)
    exempt = [host for host in _AZURE_HOSTS if _is_exempt(host, environ)]
    if exempt:
        return warning(
            f"NO_PROXY exempts {', '.join(exempt)}: requests to Azure do not use the proxy {host}:{port}",
            "remove these hosts, or the entry that matches them, from NO_PROXY",
        )
    return passed(f"the proxy {host}:{port} responds")


def check_ca_bundles(environ: Mapping[str, str] = os.environ) -> Outcome:
    """Check that the files of CA certificates in the environment exist and have certificates."""
    named = {name: environ[name] for name in BUNDLES if environ.get(name)}
    broken = {name: wrong for name, path in named.items() if (wrong := _bundle_fault(Path(path)))}
    if broken:
        faults = "; ".join(f"{name} is set to {named[name]}, which {wrong}" for name, wrong in broken.items())
        return failed(faults, " && ".join(f"export {name}=/path/to/ca.pem (or unset {name})" for name in broken))
    return passed(f"{', '.join(named)} can be read" if named else "the default CA certificates are used")


def _is_exempt(host: str, environ: Mapping[str, str]) -> bool:
    no_proxy = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    return bool(proxy_bypass_environment(host, {"no": no_proxy}))


def _bundle_fault(path: Path) -> str:
    if path.is_dir():
        return ""
    if not path.is_file():
        return "does not exist"
    try:
        if not ssl.create_default_context(cafile=str(path)).get_ca_certs():
            return "has no CA certificate"
    except ssl.SSLError:
        return "is not a file of PEM certificates"
    except OSError as error:
        return f"cannot be read ({_reason(error)})"
    return ""


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
