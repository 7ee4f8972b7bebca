"""Select the caller's environment variables for each process of a local run, by allowlists of names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from kfp_azureml.azcreds import KEYS
from kfp_azureml.compiling.pods import WORKLOAD_IDENTITY_LABEL
from kfp_azureml.compiling.references import platform_executors
from kfp_azureml.databricks_secret import HOST_KEY
from kfp_azureml.imagesets.source import is_azureml_name
from kfp_azureml.local.task_command import Task

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy")
"""Names of the proxy variables in lower case; they are also used in upper case."""

_COMMON = {
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR", "TMP", "TEMP"),
    *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"),
    *("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "MALLOC_ARENA_MAX"),
    *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHASHSEED", "PYTHONUNBUFFERED", "PYTHONUTF8", "PYTHONIOENCODING"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONWARNINGS", "PYTHONFAULTHANDLER", "PYTHONDEVMODE"),
    *("KFP_AZUREML_CACHE", "KFP_AZUREML_EVENTS", "KFP_AZUREML_LOG_LEVEL"),
    *("KERAS_HOME", "KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTRAOP_THREADS"),
    *("TF_NUM_INTEROP_THREADS", "TF_XLA_FLAGS", "TF_DETERMINISTIC_OPS", "TF_FORCE_GPU_ALLOW_GROWTH", "XLA_FLAGS"),
    *("TF_GPU_ALLOCATOR", "CUDA_VISIBLE_DEVICES", "CUDA_HOME", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "KMP_AFFINITY"),
    *("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
    *("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "DOCKER_API_VERSION"),
}
_AZURE = {
    *KEYS,
    *("ARM_TENANT_ID", "ARM_CLIENT_ID", "ARM_CLIENT_SECRET", "ARM_SUBSCRIPTION_ID", HOST_KEY),
    *("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_SUBSCRIPTION_ID", "AZURE_CONFIG_DIR"),
    *("AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_CLIENT_CERTIFICATE_PASSWORD", "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN"),
    *("AZURE_USERNAME", "AZURE_PASSWORD", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST"),
    *("AZURE_ADDITIONALLY_ALLOWED_TENANTS", "AZURE_TOKEN_CREDENTIALS", "AZURE_POD_IDENTITY_AUTHORITY_HOST"),
    *("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT", "IMDS_ENDPOINT"),
    *("MSI_ENDPOINT", "MSI_SECRET", "AZUREML_CURRENT_CLOUD", "ARM_CLOUD_METADATA_URL"),
}
_TRACKING = {
    *("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_INSECURE_TLS"),
    *("MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH", "MLFLOW_TRACKING_AUTH"),
}
_STORAGE = {
    "s3": "AWS_",
    **dict.fromkeys(("gs", "gcs"), "GOOGLE_"),
    **dict.fromkeys(("abfs", "abfss", "az", "wasbs"), "AZURE_STORAGE_"),
}
"""Prefix of the variables with an object store's credentials, by the scheme of its URIs."""
_PACKAGES = ("PIP_", "UV_", "npm_config_", "NPM_CONFIG_", "AZUREML_EMULATOR_")


def common_variables(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables for all processes, without credentials and proxies."""
    return {name: value for name, value in environ.items() if name in _COMMON or name.startswith("LC_")}


def proxy_variables(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the proxy variables."""
    return {name: value for name, value in environ.items() if name.lower() in PROXIES}


def package_variables(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables of package managers, which may contain credentials for indexes."""
    return {name: value for name, value in environ.items() if name.startswith(_PACKAGES)}


def azure_variables(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables with credentials for Azure."""
    return {name: value for name, value in environ.items() if name in _AZURE}


@dataclass(frozen=True)
class StepVariables:
    """Variables for single steps, in addition to those of all steps; passed to another process as JSON.

    Attributes:
        azure: Variables for steps that access Azure.
        others: Other variables that a step may need.
        in_azure: Executors with an identity in Azure.
        from_secrets: Names of the variables that the pipeline takes from a Kubernetes secret, by executor.
    """

    azure: Mapping[str, str] = field(default_factory=dict, repr=False)
    others: Mapping[str, str] = field(default_factory=dict, repr=False)
    in_azure: Iterable[str] = ()
    from_secrets: Mapping[str, Iterable[str]] = field(default_factory=dict)

    def for_task(self, task: Task) -> dict[str, str]:
        """Return the additional variables of a step."""
        names = set(self.from_secrets.get(task.executor, ()))
        prefixes = {
            _STORAGE[scheme]
            for value in task.parameters.values()
            if isinstance(value, str) and (scheme := _scheme(value)) in _STORAGE
        }
        tracking = self.others.get("MLFLOW_TRACKING_URI", "") if task.function == "train" else ""
        if tracking:
            names |= _TRACKING
        if tracking.startswith("databricks"):
            prefixes.add("DATABRICKS_")
        given = {
            name: value for name, value in self.others.items() if name in names or name.startswith(tuple(prefixes))
        }
        return {**given, **self.azure} if self._acts_in_azure(task) or tracking.startswith("azureml:") else given

    def _acts_in_azure(self, task: Task) -> bool:
        if "use_azure_credentials" in task.parameters:  # prep accesses Azure only for some images
            named = is_azureml_name(str(task.parameters.get("input_data", "")))
            return bool(task.parameters["use_azure_credentials"]) or named
        return task.executor in self.in_azure


def step_variables(
    platform: Mapping[str, Any], azure: Mapping[str, str], environ: Mapping[str, str] = os.environ
) -> StepVariables:
    """Return the variables for the steps of a compiled pipeline.

    Args:
        platform: The pipeline's `PlatformSpec` for Kubernetes; may be empty.
        azure: Variables with credentials for Azure.
        environ: The caller's environment variables.
    """
    in_azure, from_secrets = set(), {}
    for executor, settings in platform_executors(dict(platform)).items():
        names = [entry["envVar"] for secret in settings.get("secretAsEnv", []) for entry in secret["keyToEnv"]]
        from_secrets[executor] = sorted(set(names) - set(KEYS))
        labels = settings.get("podMetadata", {}).get("labels", {})
        if set(names) & set(KEYS) or labels.get(WORKLOAD_IDENTITY_LABEL) == "true":
            in_azure.add(executor)
    wanted = {name for names in from_secrets.values() for name in names} | _TRACKING | {"MLFLOW_TRACKING_URI"}
    prefixes = (*_STORAGE.values(), "DATABRICKS_")
    others = {name: value for name, value in environ.items() if name in wanted or name.startswith(prefixes)}
    return StepVariables(dict(azure), others, sorted(in_azure), from_secrets)


def _scheme(value: str) -> str:
    try:
        return urlsplit(value).scheme if "://" in value else ""
    except ValueError:
        return ""
