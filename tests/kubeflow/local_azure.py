"""Configure a compiled pipeline's Azure steps for the Azure ML emulator: proxy and certificates.

    python tests/kubeflow/local_azure.py COMPILED PROXY OUTPUT

Their namespace needs a config map `local-azure` with the certificates as `bundle.pem`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from kfp_azureml.compiling.validation import validate_compiled

CONFIG_MAP = "local-azure"
FOLDER = "/etc/local-azure"
# Kubeflow's launcher, in the same container, calls services of the cluster and must not use the proxy.
CLUSTER = "localhost,127.0.0.1,.local,.svc,.kubeflow,10.0.0.0/8"


def with_local_azure(documents: list[Any], proxy: str) -> list[Any]:
    """Return a pipeline's two documents, changed for the steps in the image `azure`.

    Args:
        documents: The pipeline's and the platform's document.
        proxy: URL of the Azure ML emulator's proxy in pods.
    """
    pipeline, platform = documents
    bundle = f"{FOLDER}/bundle.pem"
    environment = dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"), bundle)
    for name, value in (("HTTPS_PROXY", proxy), ("NO_PROXY", CLUSTER)):
        environment |= {name: value, name.lower(): value}
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for label, executor in pipeline["deploymentSpec"]["executors"].items():
        container = executor["container"]
        if "/azure:" not in container["image"]:
            continue
        container["env"] = [{"name": name, "value": value} for name, value in environment.items()]
        volume = {"configMapName": CONFIG_MAP, "mountPath": FOLDER}
        volume |= {"configMapNameParameter": {"runtimeValue": {"constant": CONFIG_MAP}}}
        pods[label]["configMapAsVolume"] = [volume]
    return documents


def main(compiled: str, proxy: str, output: str) -> None:
    """Write and validate the changed pipeline."""
    documents = list(yaml.safe_load_all(Path(compiled).read_text()))
    Path(output).write_text(yaml.safe_dump_all(with_local_azure(documents, proxy)))
    validate_compiled(Path(output))


if __name__ == "__main__":
    main(*sys.argv[1:])
