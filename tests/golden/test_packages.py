"""Metadata and license of the two packages as built for an index."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
PACKAGES = {"kfp-azureml": ROOT, "azureml-emulator": ROOT / "emulator"}
LICENSE = (ROOT / "LICENSE").read_text()


def project(name: str) -> dict:
    return tomllib.loads((PACKAGES[name] / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("name", PACKAGES)
def test_the_wheel_carries_the_license_and_says_so(tmp_path: Path, name: str) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=PACKAGES[name], capture_output=True, timeout=60, check=True)
    (wheel,) = tmp_path.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (Parser().parsestr(archive.read(each).decode()) for each in names if each.endswith("/METADATA"))
        (license_text,) = (archive.read(each).decode() for each in names if each.endswith("/licenses/LICENSE"))
    assert license_text == LICENSE
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert metadata.get_payload()


def test_the_license_is_whole() -> None:
    assert "Apache License\n" in LICENSE
    assert "Version 2.0, January 2004" in LICENSE
    assert "END OF TERMS AND CONDITIONS" in LICENSE


@pytest.mark.parametrize("name", PACKAGES)
def test_the_classifiers_name_every_supported_python(name: str) -> None:
    supported = SpecifierSet(project(name)["requires-python"])
    minors = {f"3.{minor}" for minor in range(20) if f"3.{minor}.1" in supported}
    prefix = "Programming Language :: Python :: "
    named = {each.removeprefix(prefix) for each in project(name)["classifiers"] if each.startswith(prefix)}
    assert named == minors


def test_both_packages_support_the_same_pythons() -> None:
    assert len({project(name)["requires-python"] for name in PACKAGES}) == 1
