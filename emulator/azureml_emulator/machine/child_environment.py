"""The environment of child processes: what they need by name, and no credentials."""

from __future__ import annotations

import os
from collections.abc import Mapping

_ANY = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "TMP", "TEMP"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"),
)
_NETWORK = (
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("ssl_cert_file", "ssl_cert_dir", "requests_ca_bundle", "curl_ca_bundle", "node_extra_ca_certs"),
)
_PACKAGES = ("pip_", "uv_", "npm_config_")


def bare_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that any program needs."""
    return {name: value for name, value in environ.items() if name in _ANY}


def package_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Add the network and package index settings that package managers need."""
    wanted = {
        name: value for name, value in environ.items() if name.lower() in _NETWORK or name.lower().startswith(_PACKAGES)
    }
    return {**bare_environment(environ), **wanted}
