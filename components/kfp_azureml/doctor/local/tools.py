"""Check the programs and packages that local runs use."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from kfp_azureml.doctor.local.folders import cache_folder
from kfp_azureml.runtime.checks import Outcome, failed, passed, skipped, warning

PACKAGES = ("azure.ai.ml", "azure.identity", "httpx", "numpy", "onnxruntime", "pyarrow", "tensorflow")
"""Packages of the steps, of the extras ml and azure."""
OLDEST_JAVA = 17
"""Oldest Java that PySpark 4 runs on."""
REQUEST_SECONDS = (5.0, 10.0)
_PROGRAM_SECONDS = 10.0
_INDEX = "https://pypi.org/simple"
_JAVA_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


def check_packages(names: Sequence[str] = PACKAGES) -> Outcome:
    """Check that the packages of the steps are installed, without importing them."""
    missing = [name for name in names if not _is_installed(name)]
    if missing:
        return failed(
            f"not installed: {', '.join(missing)}", "make setup, or pip install 'kfp-azureml[local]' (docs/local.md)"
        )
    return passed("the packages of the steps are installed")


def check_emulator(environ: Mapping[str, str] = os.environ) -> Outcome:
    """Check that the Azure ML emulator is installed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', os.defpath)}"
    command = shutil.which("azureml-emulator", path=path)
    if command is None:
        return failed(
            "the Azure ML emulator is not installed", "make setup, or pip install azureml-emulator (or run --azure)"
        )
    return passed(command)


def check_docker(environ: Mapping[str, str] = os.environ) -> Outcome:
    """Check the Docker engine, which only `run --docker` and `make images` need."""
    command = shutil.which("docker", path=environ.get("PATH", os.defpath))
    if command is None:
        return skipped("not installed; only run --docker and make images need it")
    done = _run([command, "version", "--format", "{{.Server.Version}}"])
    if done is None or done.returncode != 0:
        if not environ.get("DOCKER_HOST"):
            return skipped(
                "no engine responds; only run --docker and make images need it", "sudo systemctl start docker"
            )
        return warning(
            "no Docker engine responds at the address in DOCKER_HOST",
            "unset DOCKER_HOST, or export DOCKER_HOST=unix:///PATH/docker.sock",
        )
    return passed(f"Docker {done.stdout.strip()}")


def check_java(environ: Mapping[str, str] = os.environ) -> Outcome:
    """Check Java, which only PySpark needs."""
    home = environ.get("JAVA_HOME", "")
    named = Path(home) / "bin" / "java"
    if home and not named.is_file():
        return failed(
            f"JAVA_HOME is set to {home}, which has no bin/java", "unset JAVA_HOME, or export JAVA_HOME=FOLDER"
        )
    command = str(named) if home else shutil.which("java", path=environ.get("PATH", os.defpath))
    if command is None:
        return skipped("not installed; only Databricks and Spark steps on this machine need it")
    done = _run([command, "-version"])
    found = _JAVA_VERSION.search(f"{done.stdout}{done.stderr}") if done else None
    if found is None:
        return warning(f"{command} does not name its version", "sudo apt install openjdk-17-jre-headless")
    if int(found[1]) < OLDEST_JAVA:
        return warning(
            f"Java {found[1]} is too old for PySpark, which needs {OLDEST_JAVA}",
            "sudo apt install openjdk-17-jre-headless",
        )
    return passed(f"Java {found[1]}")


def check_package_index(environ: Mapping[str, str] = os.environ) -> Outcome:
    """Check that the package index in the user's settings responds, unless the packages are cached."""
    cache = cache_folder(environ)
    if cache.is_dir() and any(path.is_dir() for path in cache.iterdir()):
        return skipped(f"not needed: {cache} has the packages of the emulator")
    import requests

    url = _index_url(environ)
    # The URL may contain a password: messages have only the host.
    host = urlsplit(url).hostname or ""
    if not host:
        return failed("the package index in pip's settings is not a URL", "pip config unset global.index-url")
    mend = "export PIP_INDEX_URL=https://HOST/simple, HTTPS_PROXY, or PIP_CERT (see: pip config debug)"
    try:
        answer = requests.head(f"{url.rstrip('/')}/pip/", timeout=REQUEST_SECONDS, verify=_certificates(environ))
    except (requests.RequestException, OSError) as error:
        return failed(f"package index {host} cannot be reached ({type(error).__name__})", mend)
    if answer.status_code in (401, 403, 407):
        return failed(f"package index {host} asks for a login (status {answer.status_code})", mend)
    if answer.status_code >= 500:
        return failed(f"package index {host} responded with status {answer.status_code}", mend)
    return passed(f"package index {host} responds")


def _index_url(environ: Mapping[str, str]) -> str:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if value := environ.get(name):
            return value
    done = _run([sys.executable, "-m", "pip", "config", "get", "global.index-url"])
    return (done.stdout.strip() if done and done.returncode == 0 else "") or _INDEX


def _certificates(environ: Mapping[str, str]) -> str | bool:
    return environ.get("PIP_CERT") or environ.get("REQUESTS_CA_BUNDLE") or environ.get("SSL_CERT_FILE") or True


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # a parent package
        return False


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str] | None:
    """Run a program for a bounded time; return None if it does not end or cannot be run."""
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PROGRAM_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
