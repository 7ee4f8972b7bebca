"""Pipelines of several files, and files as other systems save them."""

import codecs
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kfp_azureml.compiling.compile import compile_pipeline
from kfp_azureml.compiling.documents import read_compiled
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.validation import validate_compiled
from kfp_azureml.runtime.errors import PipelineError

PROGRAM = str(Path(sys.executable).with_name("kfp-azureml"))
SOURCE = """
from dataclasses import dataclass

from kfp import dsl

from helpers import WORD
from parts.more import say


@dataclass
class Settings:
    word: "str" = WORD


def build_pipeline(options):
    from lazily import NAME

    @dsl.pipeline(name=NAME)
    def several(word: str = Settings().word):
        say(word=word)
    return several
"""
SAY = """
from kfp import dsl

from .names import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def say(word: str):
    print(word)
"""


def several_files(folder: Path, word: str) -> Path:
    (folder / "parts").mkdir(parents=True)
    (folder / "pipeline.py").write_text(SOURCE)
    (folder / "helpers.py").write_text(f"WORD = {word!r}\n")
    (folder / "lazily.py").write_text(f"NAME = 'named-{word}'\n")
    (folder / "parts" / "__init__.py").touch()
    (folder / "parts" / "more.py").write_text(SAY)
    (folder / "parts" / "names.py").write_text(f"IMAGE = 'example.com/{word}:1'\n")
    return folder / "pipeline.py"


def compiled_word(source: Path) -> tuple[str, str, str]:
    output = source.with_suffix(".yaml")
    (image,) = compile_pipeline(source, output, PipelineOptions())
    pipeline = read_compiled(output).pipeline
    word = pipeline["root"]["inputDefinitions"]["parameters"]["word"]["defaultValue"]
    return pipeline["pipelineInfo"]["name"], word, image


def test_each_pipeline_has_the_helpers_beside_it(tmp_path: Path) -> None:
    before, path = dict(sys.modules), list(sys.path)
    for word in ("one", "two", "one"):
        source = tmp_path / word / "pipeline.py"
        source = source if source.exists() else several_files(source.parent, word)
        assert compiled_word(source) == (f"named-{word}", word, f"example.com/{word}:1")
    assert sys.path == path
    assert not {"helpers", "lazily", "parts", "parts.more"} & (sys.modules.keys() - before.keys())


def test_a_module_of_that_name_that_is_loaded_already_is_neither_taken_nor_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "helpers.py").write_text("WORD = 'of the host'\n")
    monkeypatch.syspath_prepend(tmp_path / "host")
    of_the_host = importlib.import_module("helpers")
    try:
        assert compiled_word(several_files(tmp_path / "mine", "mine"))[1] == "mine"
        assert sys.modules["helpers"] is of_the_host
    finally:
        del sys.modules["helpers"]


def test_no_installed_library_gives_way_to_a_file_of_its_name(tmp_path: Path) -> None:
    source = several_files(tmp_path / "mine", "mine")
    for name in ("yaml", "kfp", "types"):
        (source.parent / f"{name}.py").write_text("raise SystemExit('not this one')\n")
    assert compiled_word(source)[1] == "mine"


def test_from_any_folder(tmp_path: Path) -> None:
    several_files(tmp_path / "mine", "mine")
    (tmp_path / "elsewhere").mkdir()
    for folder, name in ((tmp_path / "mine", "pipeline.py"), (tmp_path / "elsewhere", "../mine/pipeline.py")):
        done = subprocess.run(
            [PROGRAM, "compile", name, "-o", "o.yaml"], cwd=folder, capture_output=True, text=True, timeout=300
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        validate_compiled(folder / "o.yaml")


def test_a_mistake_in_a_file_beside_it_names_that_file(tmp_path: Path) -> None:
    source = several_files(tmp_path / "mine", "mine")
    for text, told in (
        ("WORD = 1 / 0\n", r"pipeline\.py: .*helpers\.py, line 1: ZeroDivisionError"),
        ("WORD = (\n", r"pipeline\.py: .*helpers\.py, line 1: SyntaxError"),
    ):
        (source.parent / "helpers.py").write_text(text)
        with pytest.raises(PipelineError, match=told) as failure:
            compile_pipeline(source, tmp_path / "o.yaml", PipelineOptions())
        assert "\n" not in str(failure.value)
        assert "helpers" not in sys.modules


PLAIN = SOURCE.replace("from helpers import WORD", "WORD = 'café'").replace("from lazily import NAME", "NAME = 'x'")
PLAIN = PLAIN.replace(
    "from parts.more import say",
    '@dsl.component(base_image="example.com/x:1", install_kfp_package=False)\n'
    'def say(word: str):\n    print(word, "é")\n',
)


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode("utf-8-sig"),
        PLAIN.replace("\n", "\r\n").encode("utf-8-sig"),
        ("# -*- coding: latin-1 -*-" + PLAIN).encode("latin-1"),
        ("# coding: cp1252" + PLAIN).encode("cp1252"),
    ],
    ids=["bom", "bom and CRLF", "latin-1", "cp1252"],
)
def test_python_is_read_as_python_reads_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "saved.py").write_bytes(content)
    done = subprocess.run(
        [PROGRAM, "compile", "saved.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "LC_ALL": "C"},
    )
    assert done.returncode == 0, done.stderr
    pipeline = read_compiled(tmp_path / "saved.yaml").pipeline
    assert pipeline["root"]["inputDefinitions"]["parameters"]["word"]["defaultValue"] == "café"
    assert '"é"' in str(pipeline["deploymentSpec"])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_python_that_python_cannot_read_is_one_line(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "saved.py").write_bytes(PLAIN.encode(encoding))
    with pytest.raises(PipelineError, match=r"saved\.py: UTF-16 or UTF-32, .*: save it as UTF-8$"):
        compile_pipeline(tmp_path / "saved.py", tmp_path / "o.yaml", PipelineOptions())
    assert not (tmp_path / "o.yaml").exists()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le with its mark", "utf-16-le", "utf-32"])
def test_a_compiled_pipeline_saved_on_windows_is_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "plain.py").write_text(PLAIN)
    compile_pipeline(tmp_path / "plain.py", tmp_path / "plain.yaml", PipelineOptions())
    text = (tmp_path / "plain.yaml").read_text().replace("\n", "\r\n")
    name, _, with_mark = encoding.partition(" ")
    (tmp_path / "saved.yaml").write_bytes((codecs.BOM_UTF16_LE if with_mark else b"") + text.encode(name))
    compile_pipeline(tmp_path / "saved.yaml", tmp_path / "o.yaml", PipelineOptions())
    (tmp_path / "o.yaml").read_text(encoding="utf-8")
    assert read_compiled(tmp_path / "o.yaml") == read_compiled(tmp_path / "plain.yaml")


@pytest.mark.parametrize("content", ["root: {}\n".encode("utf-16-le"), "name: é".encode("latin-1"), b"\x00\x01", b""])
def test_what_is_no_text_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "saved.yaml").write_bytes(content)
    with pytest.raises(PipelineError, match=r"saved\.yaml: ") as failure:
        compile_pipeline(tmp_path / "saved.yaml", tmp_path / "o.yaml", PipelineOptions())
    assert "\n" not in str(failure.value)
    assert not (tmp_path / "o.yaml").exists()


def test_one_that_is_imported_is_a_part_of_the_one_that_is_defined(tmp_path: Path) -> None:
    component = "@dsl.component(base_image='example.com/x:1')\ndef say():\n    print('x')\n"
    inner = f"{component}\n@dsl.pipeline(name='inner')\ndef inner():\n    say()\n"
    (tmp_path / "inner_one.py").write_text(f"from kfp import dsl\n{inner}")
    outer = "@dsl.pipeline(name='outer')\ndef outer():\n    inner()\n"
    (tmp_path / "outer.py").write_text(f"from kfp import dsl\nfrom inner_one import inner\n\n{outer}")
    compile_pipeline(tmp_path / "outer.py", tmp_path / "outer.yaml", PipelineOptions())
    assert read_compiled(tmp_path / "outer.yaml").pipeline["pipelineInfo"]["name"] == "outer"


def test_a_file_that_exits_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "exits.py").write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(PipelineError, match=r"exits\.py, line 2: SystemExit: 3"):
        compile_pipeline(tmp_path / "exits.py", tmp_path / "o.yaml", PipelineOptions())
