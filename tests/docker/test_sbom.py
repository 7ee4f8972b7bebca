"""`make sbom` with a real engine: the list of contents has every locked package."""

import json
import re

import docker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import makefile
from kfp_azureml import __version__
from kfp_azureml.images import AZURE_IMAGE


def locked(name: str) -> set[tuple[str, str]]:
    """Return the locked packages for this platform with their versions."""
    lines = re.findall(r"^(\w[^\\\n]*)", (makefile.ROOT / f"requirements/{name}.txt").read_text(), re.MULTILINE)
    requirements = [Requirement(line) for line in lines]
    wanted = [each for each in requirements if each.marker is None or each.marker.evaluate()]
    return {(canonicalize_name(each.name), str(each.specifier).removeprefix("==")) for each in wanted}


def test_the_list_names_every_locked_package_and_the_system_under_them(engine: docker.DockerClient) -> None:
    engine.images.get(AZURE_IMAGE)
    # The smaller image is enough: the larger one takes twice as long and shows nothing else.
    done = makefile.run("sbom", "IMAGES=azure", seconds=300)
    assert (done.returncode, done.stdout) == (0, "dist/sbom/azure.spdx.json\n"), done.stderr
    document = json.loads((makefile.ROOT / "dist/sbom/azure.spdx.json").read_text())
    assert document["spdxVersion"].startswith("SPDX-2.")
    assert document["name"] == AZURE_IMAGE.partition(":")[0]
    found = {(canonicalize_name(each["name"]), each.get("versionInfo", "")) for each in document["packages"]}
    expected = locked("azure") | locked("kfp") | {("kfp-azureml", __version__)}
    assert len(expected) > 30
    assert expected <= found
    assert {"libc6", "ca-certificates"} <= {name for name, _ in found}


def test_an_image_that_was_not_built_is_one_line(engine: docker.DockerClient) -> None:
    done = makefile.run("sbom", "IMAGES=azure", "TAG=nowhere")
    said, _ = done.stderr.splitlines()  # the other is make's own
    assert said.startswith("image kfp-azureml/azure:nowhere cannot be read (")
    assert "No such image" in said
    assert said.endswith("): make images builds it")
    assert (done.returncode, done.stdout) == (2, "")
