"""Check that the images of a compiled pipeline exist in their registries, as this machine sees them.

The cluster pulls with its own identity, so a registry that asks for a login is no fault: it cannot be checked.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from kfp_azureml.compiling.documents import read_compiled
from kfp_azureml.compiling.task_images import image_names, without_registry
from kfp_azureml.runtime.checks import Outcome, failed, passed, skipped, warning
from kfp_azureml.runtime.errors import WorkspaceError

REQUEST_SECONDS = (5.0, 10.0)
_KINDS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_REFERENCE = re.compile(r"(?P<host>[^/]+)/(?P<name>[^:@]+(?:/[^:@]+)*)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_PUSH = "make images push REGISTRY={registry} TAG={tag}"


def check_images(pipeline: Path) -> Outcome:
    """Ask the registry of each image for its manifest, anonymously."""
    names = image_names(read_compiled(pipeline))
    bare = list(without_registry(names))
    missing, unknown = [], []
    for name in sorted(set(names) - set(bare)):
        state = _state(name)
        if state == "missing":
            missing.append(name)
        elif state != "there":
            unknown.append(f"{name} ({state})")
    if missing:
        found = _REFERENCE.fullmatch(missing[0])
        registry = missing[0].rpartition("/")[0]
        return failed(
            f"not in their registry: {', '.join(missing)}",
            _PUSH.format(registry=registry, tag=(found["tag"] if found else "") or "TAG"),
        )
    if bare:
        return warning(
            f"pulled from Docker Hub, unless they are loaded into the cluster: {', '.join(bare)} (no registry)",
            "make images push compile-pipeline REGISTRY=myregistry.azurecr.io/kfp-azureml TAG=TAG OUTPUT=pipeline.yaml",
        )
    if unknown:
        return skipped(f"not checked: {', '.join(unknown)}; the cluster pulls with its own identity")
    return passed(f"in their registries: {', '.join(names)}")


def _state(image: str) -> str:
    """Return `there`, `missing`, or why it is unknown."""
    import requests

    found = _REFERENCE.fullmatch(image)
    if found is None:
        raise WorkspaceError(f"image {image}: not a valid name")
    scheme = "http" if found["host"].partition(":")[0] in ("localhost", "127.0.0.1") else "https"
    url = f"{scheme}://{found['host']}/v2/{found['name']}/manifests/{found['digest'] or found['tag'] or 'latest'}"
    headers = {"Accept": _KINDS}
    try:
        answer = requests.head(url, headers=headers, timeout=REQUEST_SECONDS)
        if answer.status_code == 401 and (token := _anonymous_token(answer.headers.get("WWW-Authenticate", ""))):
            headers["Authorization"] = f"Bearer {token}"
            answer = requests.head(url, headers=headers, timeout=REQUEST_SECONDS)
    except requests.RequestException as error:
        return f"registry cannot be reached: {type(error).__name__}"
    if answer.status_code == 404:
        return "missing"
    if answer.status_code in (401, 403):
        return "its registry asks for a login"
    return "there" if answer.ok else f"status {answer.status_code}"


def _anonymous_token(challenge: str) -> str:
    import requests

    asked = dict(_CHALLENGE.findall(challenge))
    realm = asked.pop("realm", "")
    if not challenge.startswith("Bearer ") or urlsplit(realm).scheme != "https":
        return ""
    try:
        answer = requests.get(realm, params=asked, timeout=REQUEST_SECONDS)
        body = answer.json() if answer.ok else {}
    except (requests.RequestException, ValueError):
        return ""
    return str(body.get("token") or body.get("access_token") or "") if isinstance(body, dict) else ""
