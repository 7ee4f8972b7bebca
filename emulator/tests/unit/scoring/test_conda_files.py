from __future__ import annotations

import sys

import pytest

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.scoring.conda_files import parse_conda_file, requested_python

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"


def parse(*dependencies: str) -> tuple[str, ...]:
    return parse_conda_file("dependencies:\n" + "".join(f"- '{one}'\n" for one in dependencies)).requirements


@pytest.mark.parametrize(
    "python", ["python", f"python={MINOR}", f"python=={MINOR}.7", f"python = {MINOR}.*", f"conda-forge::python={MINOR}"]
)
def test_python_and_pip_are_built(python: str) -> None:
    text = (
        f"name: e\nchannels: [conda-forge]\ndependencies:\n- {python}\n- pip=24\n- pip:\n  - numpy==2.1\n  - pillow\n"
    )

    assert parse_conda_file(text).requirements == ("numpy==2.1", "pillow")


@pytest.mark.parametrize(
    ("asked", "minor"),
    [
        ("python=3.8", "3.8"),
        ("python=3.7.6", "3.7"),
        ("python 3.14", "3.14"),
        ("python=3.8.16=h7a1cb2a_3", "3.8"),
        ("python>=3.8", MINOR),
        ("python>3.11.4,<3.13", MINOR if MINOR in ("3.11", "3.12") else "3.12"),
        ("python>=3.7,<3.9", "3.8"),
        ("python<3.8.2,!=3.8", "3.7"),
        ("python<=3.7", "3.7"),
        ("python~=3.8", MINOR),
    ],
)
def test_any_python_may_be_asked_for(asked: str, minor: str) -> None:
    text = f"dependencies: ['{asked}']"

    assert (parse_conda_file(text).python, requested_python(text)) == (minor, minor)


def test_python_is_this_one_where_none_is_named() -> None:
    assert parse_conda_file("dependencies: [pip]").python == requested_python("dependencies: [pip]") == MINOR


@pytest.mark.parametrize(
    ("conda", "pip"),
    [
        ("numpy", "numpy"),
        ("Pillow", "pillow"),
        ("numpy=1.26", "numpy==1.26.*"),
        ("numpy=1.26.4", "numpy==1.26.4.*"),
        ("numpy=1.26.4=py311h64a7726_0", "numpy==1.26.4"),
        ("numpy==1.26.4", "numpy==1.26.4"),
        ("numpy 1.26.*", "numpy==1.26.*"),
        ("numpy 1.26.4 py311_0", "numpy==1.26.4"),
        ("numpy =1.26", "numpy==1.26.*"),
        ("numpy=1.26.*", "numpy==1.26.*"),
        ("numpy=*", "numpy"),
        ("conda-forge::numpy >= 1.20, < 2", "numpy>=1.20,<2"),
        ("pandas>=1.1,<1.2", "pandas>=1.1,<1.2"),
        ("pandas~=1.5.3", "pandas~=1.5.3"),
        ("scipy!=1.10.0", "scipy!=1.10.0"),
        ("scikit-learn=1.5.0rc1", "scikit-learn==1.5.0rc1"),
        ("pytorch::pytorch=2.2", "torch==2.2.*"),
        ("py-xgboost", "xgboost"),
        ("opencv=4.5.1", "opencv-python-headless==4.5.1.*"),
        ("importlib_metadata", "importlib-metadata"),
        ("tensorflow-gpu>=2.12", "tensorflow>=2.12"),
    ],
)
def test_conda_packages_come_from_pypi(conda: str, pip: str) -> None:
    assert parse(conda) == (pip,)


def test_what_became_of_conda_packages_is_noted() -> None:
    spec = parse_conda_file(
        "dependencies: [python=3.8, pip=20.0, numpy=1.26=py_0, pytorch, cudatoolkit=11.8, {pip: [tqdm]}]"
    )

    assert spec.requirements == ("numpy==1.26", "torch", "tqdm")
    assert spec.notes == (
        "conda package pip=20.0: uv installs the packages, no pip is needed",
        "conda package numpy==1.26: numpy==1.26 from PyPI; the build py_0 is ignored",
        "conda package pytorch: torch from PyPI",
        "conda package cudatoolkit=11.8: left out, wheels of PyPI bring their own libraries",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dependencies: [python=2.7]", "'python=2.7'"),
        ("dependencies: ['python>=4']", "python=3.14"),
        ("dependencies: [git=2.40]", "'git=2.40': it knows no package of PyPI"),
        ("dependencies: ['numpy=1.2|1.3']", "numpy=1.2|1.3"),
        ("dependencies: ['-r requirements.txt']", "-r requirements.txt"),
        ("dependencies: [{pip: numpy}]", "{'pip': 'numpy'}"),
        ("dependencies: [{npm: [left-pad]}]", "npm"),
        ("dependencies: [3]", "3"),
        ("name: e", "'dependencies'"),
        ("just text", "'dependencies'"),
        ("a: [", "not YAML"),
    ],
)
def test_anything_else_is_a_build_failure_that_names_it(text: str, said: str) -> None:
    with pytest.raises(ArmError) as caught:
        parse_conda_file(text)

    assert caught.value.code == "ImageBuildFailure"
    assert said in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "line",
    [
        *("-r requirements.txt", "-rrequirements.txt", "--requirement=requirements.txt", "-c ../constraints.txt"),
        *("-e .", "--editable ./src", "-f wheels", "--find-links ./wheels"),
        *(".", "./pkg", "../pkg[extra]", "/opt/pkg", "~/pkg", "wheels/a-1.0-py3-none-any.whl", "a-1.0.tar.gz"),
        *("file:///opt/a.whl", "a @ file:///opt/a.whl", "a@FILE:///opt/a.whl", "a[b] @ ./a", "-r file:///etc/passwd"),
        *("git+file:///opt/a", "--index-url file:///opt/index", "--extra-index-url=file:///opt/index"),
    ],
)
def test_local_files_are_not_uploaded_with_a_conda_file(line: str) -> None:
    with pytest.raises(ArmError) as caught:
        parse_conda_file(f"dependencies: [pip: ['{line}', numpy]]")

    assert caught.value.code == "ImageBuildFailure"
    assert f"has '{line}', a local file: of a conda file only itself is uploaded." in caught.value.message
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    "line",
    [
        *("numpy==2.1", "a[b,c]>=1 ; python_version < '3.12'", "a  # see ./notes", "a ; sys_platform == 'x/y'"),
        *("--index-url https://example.com/simple", "--extra-index-url=https://example.com/simple", "--pre"),
        *(
            "git+https://example.com/a.git@v1#egg=a",
            "a @ git+https://example.com/a.git",
            "-e git+https://example.com/a",
        ),
        *(
            "https://example.com/a-1.0-py3-none-any.whl",
            "a @ https://example.com/a.zip",
            "-f https://example.com/wheels",
        ),
        *("-r https://example.com/requirements.txt", "a --hash=sha256:12/34"),
    ],
)
def test_what_pip_finds_elsewhere_is_passed_on(line: str) -> None:
    assert parse_conda_file(f'dependencies: [pip: ["{line}"]]').requirements == (line,)


def alias_bomb() -> str:
    aliases = "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9))
    return f"a0: &a0 [x,x,x,x,x,x,x,x,x]\n{aliases}"


@pytest.mark.parametrize(
    "text",
    [
        f"{alias_bomb()}dependencies: [*a8]",
        f"{alias_bomb()}dependencies: [pip: [*a8]]",
        "dependencies: [2024-13-45]",
        f"dependencies: [{'9' * 5000}]",
        f"dependencies: ['python={'9' * 5000}']",
        f"dependencies: ['numpy =1{' ' * 30000}x']",
        "dependencies: " + "[" * 5000,
        'dependencies: [pip: ["a\\n-r /etc/hostname"]]',
        "#" * 1_000_001,
    ],
    ids=["aliases", "aliases of pip", "date", "number", "python", "spaces", "deep", "two lines", "long"],
)
def test_a_hostile_file_is_refused_in_a_line(text: str) -> None:
    with pytest.raises(ArmError) as raised:
        parse_conda_file(text)

    assert len(raised.value.message) < 1500
    assert "\n" not in raised.value.message
