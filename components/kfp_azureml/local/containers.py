"""Run steps in containers as on Kubernetes: without root and with a read-only file system.

kfp's Docker runner starts the containers with the settings made here, and with another function to wait for them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp_azureml.compiling.documents import read_compiled
from kfp_azureml.compiling.task_images import image_names
from kfp_azureml.images import RUN_AS_USER
from kfp_azureml.local.environment_variables import StepVariables
from kfp_azureml.local.step_packages import split_command
from kfp_azureml.local.step_process import EXECUTOR, TASK_ENDED
from kfp_azureml.local.task_command import read_task
from kfp_azureml.runtime.errors import PipelineError
from kfp_azureml.runtime.step import EVENTS_FILE

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

RUN_LABEL = "kfp-azureml.run"
"""Label of all containers of a run; its value is the name of the run's folder."""
CERTIFICATES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
_BUNDLE_IN_CONTAINER = "/etc/kfp-azureml/ca-bundle.pem"


@dataclass(frozen=True)
class ContainerSettings:
    """Settings of a run's containers; they are passed to another process as JSON.

    Attributes:
        run: The run's name, for `RUN_LABEL`.
        user: `UID:GID` of the steps' processes.
        environment: Environment variables.
        mounts: Bind mounts besides the outputs: paths on this machine by paths in the container.
        writable: Paths in the container of the writable mounts.
    """

    run: str
    user: str
    environment: Mapping[str, str]
    mounts: Mapping[str, str]
    writable: tuple[str, ...] = ()

    def runner_arguments(self) -> dict[str, Any]:
        """Return the arguments for `kfp.local.DockerRunner`."""
        from docker.types import Mount

        return {
            "labels": {RUN_LABEL: self.run},
            "user": self.user,
            "environment": dict(self.environment),
            "mounts": [
                Mount(target=there, source=here, type="bind", read_only=there not in self.writable)
                for there, here in self.mounts.items()
            ],
            # The Azure ML emulator listens on this machine's loopback interface only.
            "network_mode": "host",
            "read_only": True,
            "tmpfs": {"/tmp": "mode=1777"},  # noqa: S108 - the container's own
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
        }


def container_settings(
    folder: Path, environment: Mapping[str, str], inputs: Iterable[Path], events: Path
) -> ContainerSettings:
    """Prepare a run's folder for containers and return their settings.

    The steps run as the caller; if that is root, as the images' own user, who then owns the outputs.

    Args:
        folder: The run's folder, for `outputs/` and a readable copy of the certificates.
        environment: Environment variables of all steps; no others of the caller are passed on.
        inputs: Folders and files on this machine that the steps read.
        events: The event file.
    """
    outputs = folder / "outputs"
    (outputs / "workspace").mkdir(parents=True)
    events.touch()
    uid, gid = (os.getuid(), os.getgid()) if os.getuid() != 0 else (RUN_AS_USER, RUN_AS_USER)
    for path in (outputs, outputs / "workspace", events):
        if path.stat().st_uid != uid:
            os.chown(path, uid, gid)
    mounts = {str(path): str(path) for path in (events, *inputs)}
    inside = {**environment, EVENTS_FILE: str(events), "PYTHONUNBUFFERED": "1"}
    if bundle := environment.get(CERTIFICATES[0]):
        readable = folder / "ca-bundle.pem"
        shutil.copyfile(bundle, readable)
        readable.chmod(0o644)
        mounts[_BUNDLE_IN_CONTAINER] = str(readable)
        inside |= dict.fromkeys(CERTIFICATES, _BUNDLE_IN_CONTAINER)
    return ContainerSettings(folder.name, f"{uid}:{gid}", inside, mounts, writable=(str(events),))


def check_images(compiled: Path) -> None:
    """Check that a Docker engine has the images of a compiled pipeline or can pull them.

    Raises:
        PipelineError: If no engine responds or an image is not available.
    """
    from docker.errors import APIError, ImageNotFound

    with closing(_engine()) as engine:
        for image in image_names(read_compiled(compiled)):
            try:
                engine.images.get(image)
            except ImageNotFound:
                try:
                    engine.images.pull(image)
                except APIError as error:
                    raise PipelineError(
                        f"image {image} is not on this machine and cannot be pulled ({error.explanation}): "
                        "build the suite's images with `make images`"
                    ) from error


def run_container(
    allowed: StepVariables,
    client: DockerClient,
    image: str,
    command: list[str],
    volumes: dict[str, Any],
    **settings: Any,
) -> int:
    """Run a step's container until it ends; replaces kfp's function with the same arguments.

    kfp lets the engine remove an ended container and treats a removed one as successful, so that a fast failure can
    pass. This function removes the container itself after reading the exit code, and also after errors.

    Args:
        allowed: Variables of the caller's environment for single steps.
        client: The engine.
        image: The step's image.
        command: The step's program and arguments.
        volumes: Volumes of the outputs, from kfp.
        settings: The runner's arguments.

    Returns:
        The exit code.
    """
    variables = dict(settings.pop("environment"))
    task = read_task(variables.pop(EXECUTOR), command)
    _, command = split_command(command)
    environment = {**allowed.for_task(task), **variables}
    container: Container = client.containers.create(
        image, command, volumes=volumes, environment=environment, **settings
    )
    try:
        container.start()
        for line in container.logs(stream=True, follow=True):
            print(line.decode(errors="replace"), end="")  # noqa: T201 - kfp puts it into the run's log
        exit_code = int(container.wait()["StatusCode"])
        if exit_code:
            container.reload()
            reason = ", out of memory" if container.attrs["State"]["OOMKilled"] else ""
            ended = f"container of {image} ended with exit code {exit_code}{reason}"
            print(f"{TASK_ENDED}: {task.name}: {ended}")  # noqa: T201 - likewise
        return exit_code
    finally:
        container.remove(force=True)


def remove_containers(run: str) -> None:
    """Remove containers of a run that are left after its process was killed."""
    with closing(_engine()) as engine:
        for container in engine.containers.list(all=True, filters={"label": f"{RUN_LABEL}={run}"}):
            container.remove(force=True)


def _engine() -> DockerClient:
    try:
        import docker
    except ImportError as error:
        raise PipelineError("--docker needs the package docker: pip install docker") from error
    from docker.errors import DockerException

    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        where = os.environ.get("DOCKER_HOST", "its usual socket")
        raise PipelineError(f"no Docker engine responds at {where}: start one, or set DOCKER_HOST") from error
    return client
