"""Fixtures for tests with a real Docker engine; `make test-docker` builds the images first."""

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.models.images import Image

from fashion_slice import write_fashion_slice
from kfp_azureml.images import AZURE_IMAGE, ML_IMAGE


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="session", params=[ML_IMAGE, AZURE_IMAGE], ids=["ml", "azure"])
def image(request: pytest.FixtureRequest, engine: docker.DockerClient) -> Image:
    return engine.images.get(request.param)


@pytest.fixture(scope="session")
def fashion_slice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Readable for the images' user, which differs from the user of the tests.
    folder = tmp_path_factory.mktemp("slice")
    folder.chmod(0o755)
    return write_fashion_slice(folder)
