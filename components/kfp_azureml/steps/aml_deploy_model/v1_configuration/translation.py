"""Translate the v1 files to parameters; what is set as a parameter wins over the files."""

from __future__ import annotations

import logging
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from kfp_azureml.azureml.rollout.desired_state import SCORING_SCRIPT
from kfp_azureml.azureml.rollout.server_settings import COLLECTIONS, MAX_MANAGED_TIMEOUT_SECONDS
from kfp_azureml.runtime.errors import DeploymentError
from kfp_azureml.runtime.step import progress
from kfp_azureml.steps.aml_deploy_model.parameters import Parameters
from kfp_azureml.steps.aml_deploy_model.v1_configuration.code_paths import find_in
from kfp_azureml.steps.aml_deploy_model.v1_configuration.conda_file import translate_conda
from kfp_azureml.steps.aml_deploy_model.v1_configuration.deployment_config import (
    DeploymentConfig,
    read_deployment_config,
)
from kfp_azureml.steps.aml_deploy_model.v1_configuration.entry_script import check_entry_script
from kfp_azureml.steps.aml_deploy_model.v1_configuration.inference_config import read_inference_config
from kfp_azureml.steps.aml_deploy_model.v1_configuration.instance_types import smallest_size
from kfp_azureml.steps.aml_deploy_model.v1_configuration.json_document import Section, read_document

# The component's own defaults, which are no decision against a file.
_DEFAULTS = {"scoring_script": SCORING_SCRIPT}

logger = logging.getLogger(__name__)


def with_v1_files(given: Parameters, inference_config: str, deployment_config: str) -> Parameters:
    """Return the parameters, with those of the v1 files where they are not set.

    Everything without a counterpart is logged as a warning.

    Args:
        given: The component's parameters.
        inference_config: The inferenceconfig.json in `given.code`; empty for none.
        deployment_config: The deploymentconfig.json in `given.code`; empty for none.

    Raises:
        DeploymentError: If a file is invalid, or asks for what cannot be left out without being noticed.
    """
    parameters, notes = given, []
    if deployment_config:
        document = _document(given.code, deployment_config, "deployment_config")
        parameters, told = with_deployment_config(parameters, document)
        notes += told
    if inference_config:
        document = _document(given.code, inference_config, "inference_config")
        parameters, told = with_inference_config(parameters, document)
        notes += told
    for note in notes:
        logger.warning("%s", note)
    changed = {
        field.name: getattr(parameters, field.name)
        for field in fields(Parameters)
        if getattr(parameters, field.name) != getattr(given, field.name)
        and field.name not in ("conda", "variables")  # long, or secret
    }
    if changed:
        progress("from the v1 files: " + ", ".join(f"{name}={value}" for name, value in changed.items()))
    return parameters


def with_inference_config(given: Parameters, document: Section) -> tuple[Parameters, list[str]]:
    """Translate an inferenceconfig.json; return the parameters, and what to tell the user.

    Raises:
        DeploymentError: If it is invalid, or its entry script imports SDK v1.
    """
    assert given.code is not None  # noqa: S101 - the document is in it
    config = read_inference_config(document, given.code)
    notes = list(config.notes)
    if config.needs_image:
        if not given.image:
            raise DeploymentError(config.needs_image)
        notes.append(f"{config.needs_image} (image is set)")
    script = _chosen(given, "scoring_script", config.scoring_script, document.where("entryScript"), notes)
    entry = config.code / script
    if not entry.is_file():
        raise DeploymentError(f"entry script {entry}: missing")
    collects = check_entry_script(entry, config.code)
    if given.data_collector and not collects and not _collects_payload(given.data_collector):
        notes.append(
            f"{script}: has no Collector of azureml.ai.monitoring (package azureml-ai-monitoring), so nothing is "
            'collected: add it, or set data_collector={"collections": ["request", "response"]}'
        )
    own_environment = given.environment or given.conda_file
    changes: dict[str, Any] = {"code": config.code, "scoring_script": script, "variables": config.variables}
    if own_environment:
        name = "environment" if given.environment else "conda_file"
        if config.conda or config.environment or (given.environment and config.image):
            notes.append(f"{document.file}: the parameter {name}={own_environment!r} replaces its environment")
        if given.conda_file:
            # It names a file in code, and the source directory may be a folder of that.
            changes["conda_file"] = str(find_in(given.code, given.conda_file, "conda_file").resolve())
            changes["image"] = _chosen(given, "image", config.image, document.where("baseImage"), notes)
        return replace(given, **changes), notes
    changes["image"] = _chosen(given, "image", config.image, document.where("baseImage"), notes)
    if config.conda is not None:
        translated = translate_conda(config.conda, config.conda_name)
        changes["conda"] = translated.conda
        notes += translated.notes
    elif config.environment and not given.image:
        changes["environment"] = config.environment
    elif not changes["image"]:
        document.fail("condaFile", "missing: set it, or the parameter conda_file, environment or image")
    return replace(given, **changes), notes


def with_deployment_config(given: Parameters, document: Section) -> tuple[Parameters, list[str]]:
    """Translate a deploymentconfig.json; return the parameters, and what to tell the user.

    Raises:
        DeploymentError: If it is invalid.
    """
    config = read_deployment_config(document)
    notes = list(config.notes)
    changes: dict[str, Any] = {}
    _place(given, config, document, notes)
    _machines(given, config, document, changes, notes)
    if config.timeout_seconds is not None:
        where = document.where("scoringTimeoutMs")
        if (
            not (given.compute or given.request_timeout_seconds)
            and config.timeout_seconds > MAX_MANAGED_TIMEOUT_SECONDS
        ):
            document.fail(
                "scoringTimeoutMs",
                f"managed endpoints allow at most {MAX_MANAGED_TIMEOUT_SECONDS} s: lower it, or set "
                "request_timeout_seconds",
            )
        changes["request_timeout_seconds"] = _chosen(
            given, "request_timeout_seconds", config.timeout_seconds, where, notes
        )
    if config.max_concurrent is not None:
        where = document.where("maxConcurrentRequestsPerContainer")
        changes["max_concurrent_requests"] = _chosen(
            given, "max_concurrent_requests", config.max_concurrent, where, notes
        )
    if config.max_queue_wait_ms is not None:
        if given.compute:
            changes["max_queue_wait_ms"] = config.max_queue_wait_ms
        else:
            notes.append(
                f"{document.where('maxQueueWaitMs')}: has no counterpart on managed endpoints: waiting counts towards "
                "request_timeout_seconds"
            )
    if config.app_insights:
        changes["app_insights"] = True
    if config.collects_data:
        changes["data_collector"] = _chosen(
            given, "data_collector", {"collections": list(COLLECTIONS)}, document.where("dataCollection"), notes
        )
    if config.liveness:
        changes["probes"] = _probes(given, config, document, notes)
    if config.version_name:
        changes["deployment_name"] = _chosen(
            given, "deployment_name", config.version_name, document.where("versionName"), notes
        )
    if config.traffic_percentile not in (None, 100):
        document.fail(
            "trafficPercentile",
            "a rollout ends with all traffic: remove it, and set strategy=canary with traffic_steps to move it slowly",
        )
    return replace(given, **changes), notes


def _place(given: Parameters, config: DeploymentConfig, document: Section, notes: list[str]) -> None:
    """Say where the deployment goes if that is not what the file says."""
    where = document.where("computeType")
    if config.is_aks and not given.compute:
        cluster = f" {config.compute_target}" if config.compute_target else ""
        notes.append(
            f"{where}: goes to a managed endpoint, since compute is not set; for the cluster{cluster}, attach it "
            "(`az ml compute attach --type Kubernetes`) and set compute"
        )
    elif not config.is_aks and given.compute:
        notes.append(f"{where}: goes to Kubernetes, since compute={given.compute!r} is set")
    if document.flag("sslEnabled") and given.compute:
        notes.append(f"{document.where('sslEnabled')}: TLS is set up in the cluster's Azure ML extension")


def _machines(
    given: Parameters, config: DeploymentConfig, document: Section, changes: dict[str, Any], notes: list[str]
) -> None:
    """Translate resources, replicas and scaling."""
    where = document.where("containerResourceRequirements")
    has_resources = config.cpu is not None or config.memory_gb is not None or config.gpus
    if has_resources and given.compute:
        changes["resources"] = _chosen(given, "resources", config.resources, where, notes)
    elif has_resources and not given.instance_type:
        cpu, memory = config.cpu or 0.1, config.memory_gb or 0.5  # the defaults of SDK v1
        size = smallest_size(cpu, memory, config.gpus)
        if size is None:
            raise DeploymentError(
                f"{where}: no known size has {cpu:g} cores, {memory:g} GB and {config.gpus} GPUs: set instance_type"
            )
        changes["instance_type"] = size.name
    elif has_resources:
        notes.append(f"{where}: the parameter instance_type={given.instance_type!r} replaces it")
    if config.autoscale and given.instance_count:
        notes.append(f"{document.where('autoScaler')}: instance_count={given.instance_count} replaces it")
    elif config.autoscale:
        scaling = dict(config.autoscale)
        if config.polling_interval is not None:
            if given.compute:
                scaling["polling_interval"] = config.polling_interval
            else:
                notes.append(
                    f"{document.where('autoScaler.refreshPeriodInSeconds')}: has no counterpart on managed endpoints: "
                    "Azure Monitor looks every minute"
                )
        changes["autoscale"] = _chosen(given, "autoscale", scaling, document.where("autoScaler"), notes)
        if not given.compute and not given.autoscale:
            notes.append(
                f"{document.where('autoScaler.targetUtilization')}: is the CPU on managed endpoints; SDK v1 meant the "
                "share of busy containers"
            )
    if config.instance_count and given.autoscale:
        notes.append(f"{document.where('numReplicas')}: the parameter autoscale replaces it")
    elif config.instance_count:
        changes["instance_count"] = _chosen(
            given, "instance_count", config.instance_count, document.where("numReplicas"), notes
        )


def _probes(given: Parameters, config: DeploymentConfig, document: Section, notes: list[str]) -> dict[str, Any]:
    where = document.where("livenessProbeRequirements")
    if not isinstance(given.probes, dict):
        return given.probes  # refused later
    own = given.probes.get("liveness")
    if own:
        if own != config.liveness:
            notes.append(f"{where}: the parameter probes replaces it")
        return given.probes
    if config.liveness.get("success_threshold", 1) != 1:
        document.fail("livenessProbeRequirements", "successThreshold must be 1 for a liveness probe")
    return {**given.probes, "liveness": config.liveness}


def _chosen(given: Parameters, name: str, value: Any, where: str, notes: list[str]) -> Any:
    """Return a parameter if it is set, else the file's value; tell if they differ."""
    own = getattr(given, name)
    if not own or own == _DEFAULTS.get(name):
        return value
    if value and own != value:
        notes.append(f"{where}: the parameter {name}={own!r} replaces {value!r}")
    return own


def _collects_payload(data_collector: dict[str, Any]) -> bool:
    collections = data_collector.get("collections", ()) if isinstance(data_collector, dict) else ()
    return isinstance(collections, list) and {"request", "response"} >= set(map(str, collections))


def _document(code: Path | None, name: str, parameter: str) -> Section:
    if code is None:
        raise DeploymentError(f"{parameter} {name}: names a file in code: set code")
    return read_document(find_in(code, name, parameter))
