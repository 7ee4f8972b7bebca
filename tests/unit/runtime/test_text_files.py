"""Text files of users, as the tools of any system write them."""

import codecs

import pytest

from kfp_azureml.runtime.errors import DataError
from kfp_azureml.runtime.file_kinds import HEAD_BYTES, looks_like
from kfp_azureml.runtime.text_files import read_user_json, read_user_text, require_utf8

TEXT = "first=ünï\nsecond=2\n"
ENCODINGS = {
    "utf-8": TEXT.encode(),
    "utf-8 with a mark": TEXT.encode("utf-8-sig"),
    "utf-16 as PowerShell writes it": codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
    "utf-16, big-endian": codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    "utf-16 without a mark": TEXT.encode("utf-16-le"),
    "utf-32": TEXT.encode("utf-32"),
    "CRLF": TEXT.replace("\n", "\r\n").encode(),
    "CRLF in utf-16": TEXT.replace("\n", "\r\n").encode("utf-16"),
    "CR": TEXT.replace("\n", "\r").encode(),
}


@pytest.mark.parametrize("content", ENCODINGS.values(), ids=ENCODINGS)
def test_the_text_is_the_same_however_it_was_saved(tmp_path, content):
    path = tmp_path / "settings"
    path.write_bytes(content)
    assert read_user_text(path, DataError) == TEXT


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (TEXT.encode("cp1252"), "not UTF-8 text (line 1): save it as UTF-8"),
        (b"one=1\ntwo=\xff\n", "not UTF-8 text (line 2): save it as UTF-8"),
        (codecs.BOM_UTF16_LE + b"odd", "not a text file, or corrupt UTF-16: save it as UTF-8"),
        (b"text\0with zeros", "not a text file (it contains zero bytes): save it as UTF-8 text"),
        (bytes(100), "not a text file (it contains zero bytes)"),
    ],
)
def test_what_is_no_text_is_refused_in_one_line_that_shows_nothing_of_it(tmp_path, content, reason):
    path = tmp_path / "settings"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_user_text(path, DataError, name="the settings")
    assert str(caught.value).startswith(f"the settings: {reason[:20]}")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_said(tmp_path):
    with pytest.raises(DataError, match="gone: missing; expected a file with settings"):
        read_user_text(tmp_path / "gone", DataError, expected="a file with settings")
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\)"):
        read_user_text(tmp_path, DataError)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_json_is_read_in_every_encoding(tmp_path, encoding):
    path = tmp_path / "params.json"
    path.write_bytes('{"a": "ü"}'.encode(encoding))
    assert read_user_json(path, DataError) == {"a": "ü"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<!DOCTYPE html><html><title>Sign in</title>", "not JSON: it looks like an HTML page ('<!DOCTYPE html>"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "run `git lfs pull`"),
        (b"", "not JSON: it looks like an empty file"),
        (b'{"a": 1,}', "not JSON (Expecting property name"),
        (b"epochs: 3\n", "not JSON (Expecting value"),
        (b"[" * 100_000, "nested too deeply"),
        ('{"a": "ü"}'.encode("cp1252"), "not UTF-8 text (line 1)"),
        (b"9" * 5000, "not JSON (Exceeds the limit"),
    ],
)
def test_what_is_not_json_is_said_in_one_line(tmp_path, content, reason):
    path = tmp_path / "params.json"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_user_json(path, DataError)
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_source_that_others_read_as_utf8_must_be_so(tmp_path):
    path = tmp_path / "pipeline.py"
    path.write_text("x = 1\n", encoding="utf-8-sig", newline="\r\n")
    require_utf8(path, DataError)
    path.write_text("x = 1\n", encoding="utf-16")
    with pytest.raises(DataError, match=r"pipeline\.py: is UTF-16: save it as UTF-8"):
        require_utf8(path, DataError)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xef\xbb\xbf\r\n  <HTML><head>", "an HTML page ('<HTML><head>')"),
        (b"<!-- a comment -->\n<html>", "an HTML page"),
        ("<!doctype html>".encode("utf-16"), "an HTML page"),
        (b"<?xml version='1.0'?><Error><Code>BlobNotFound</Code></Error>", "XML"),
        (b'{"error": {"code": "NotFound"}}', "JSON ("),
        (b"404: Not Found", "text ('404: Not Found')"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 1\n", "a Git LFS pointer"),
        (b"/annex/objects/SHA256E-s47040016--aa", "a git-annex pointer"),
        (b"\x89PNG\r\n\x1a\n\0\0", "a PNG image"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"PK\x03\x04\x14", "a ZIP archive"),
        (b"BZh91AY", "bzip2 data"),
        (bytes(257) + b"ustar\x0000" + bytes(100), "a tar archive"),
        (b"", "an empty file"),
        (bytes(500), "zero bytes only"),
        (b"\x00\x00\x08\x03", ""),
        (b"\x1b[31mred", ""),
    ],
)
def test_a_file_is_recognized_by_its_beginning(head, kind):
    found = looks_like(head)
    assert found.startswith(kind)
    assert bool(found) == bool(kind)
    assert found.isprintable()


def test_a_character_cut_in_two_at_the_end_of_the_head_is_no_matter():
    text = "x" + "ü" * HEAD_BYTES
    assert looks_like(text.encode()[:HEAD_BYTES]).startswith("text")
