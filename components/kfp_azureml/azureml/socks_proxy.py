"""Check that the installed packages support a SOCKS proxy in the environment.

Without PySocks each request of the Azure SDK fails like a lost connection, after all its retries.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from kfp_azureml.runtime.errors import WorkspaceError

_AZURE = "management.azure.com"
_OF_HTTPX = ("https_proxy", "all_proxy", "http_proxy")


def check_socks_proxy(environ: Mapping[str, str] = os.environ, *, with_httpx: bool = False) -> None:
    """Check that requests to Azure can use the SOCKS proxy, if one is set.

    Args:
        environ: The environment variables.
        with_httpx: Whether requests are also sent with httpx, which needs a package for any SOCKS proxy.

    Raises:
        WorkspaceError: If a package is missing.
    """
    socks = [name for name in _set(environ, _OF_HTTPX) if environ[name].lower().startswith("socks")]
    missing = []
    if _name_for_azure(environ) in socks and not _is_installed("socks"):
        missing.append("PySocks")
    if socks and with_httpx and not _is_installed("socksio"):
        missing.append("socksio")
    if missing:
        raise WorkspaceError(
            f"{socks[0]} is a SOCKS proxy, which needs {' and '.join(missing)}: pip install {' '.join(missing)}, or "
            "unset it"
        )


def _name_for_azure(environ: Mapping[str, str]) -> str:
    """Return the variable whose proxy the requests library uses for Azure; empty if it uses none."""
    no_proxy = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if proxy_bypass_environment(_AZURE, {"no": no_proxy}):
        return ""
    return next(_set(environ, ("https_proxy", "all_proxy")), "")


def _set(environ: Mapping[str, str], names: tuple[str, ...]) -> Iterator[str]:
    """Yield the variables that are set; lower case takes precedence, as in requests and httpx."""
    for name in names:
        yield from [one for one in (name, name.upper()) if environ.get(one)][:1]


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
