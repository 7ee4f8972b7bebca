"""The idx reader reads any file correctly or rejects it in one line."""

import gzip
import io
import struct
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfp_azureml.imagesets import idx
from kfp_azureml.runtime.errors import DataError

NAME = "train-some-idx-ubyte"
UNSIGNED_BYTE = 8


def encode(dimensions, values, data_type=UNSIGNED_BYTE):
    return struct.pack(f">BBBB{len(dimensions)}I", 0, 0, data_type, len(dimensions), *dimensions) + values


def stream_of(content):
    return io.BufferedReader(io.BytesIO(content))


def read(content, items=3, opener=idx.open_images):
    file = opener(stream_of(content), NAME)
    return file, list(file.chunks(items))


@st.composite
def image_files(draw):
    sizes = st.integers(1, 6)
    dimensions = draw(st.tuples(sizes, sizes, sizes) | st.tuples(sizes, sizes, sizes, st.integers(1, 4)))
    size = prod(dimensions)
    return dimensions, draw(st.binary(min_size=size, max_size=size))


def refused(content, opener=idx.open_images):
    with pytest.raises(DataError) as caught:
        read(content, opener=opener)
    message = str(caught.value)
    assert message.startswith(f"{NAME}: ")
    assert "\n" not in message
    return message


def read_or_refuse(content, opener=idx.open_images):
    try:
        _, chunks = read(content, opener=opener)
    except DataError:
        return None
    return b"".join(chunks)


@given(image_files(), st.integers(1, 8), st.booleans())
def test_images_are_read_in_chunks_of_the_requested_size(file, items, zipped):
    dimensions, values = file
    content = encode(dimensions, values)
    images, chunks = read(gzip.compress(content) if zipped else content, items)
    count, height, width, *channels = dimensions
    assert (images.count, images.shape) == (count, (height, width, *(channels or [1])))
    assert b"".join(chunks) == values
    assert {len(chunk) for chunk in chunks[:-1]} <= {items * prod(dimensions[1:])}


@given(st.binary(min_size=1, max_size=50), st.integers(1, 60), st.booleans())
def test_labels_are_read(values, items, zipped):
    content = encode((len(values),), values)
    labels, chunks = read(gzip.compress(content) if zipped else content, items, idx.open_labels)
    assert labels.count == len(values)
    assert b"".join(chunks) == values


@given(image_files(), st.data(), st.booleans())
def test_a_truncated_file_is_rejected(file, data, zipped):
    content = encode(*file)
    content = gzip.compress(content) if zipped else content
    refused(content[: data.draw(st.integers(0, len(content) - 1))])


@given(image_files(), st.binary(min_size=1, max_size=20))
def test_trailing_bytes_are_rejected(file, extra):
    assert "trailing bytes" in refused(encode(*file) + extra)
    assert "trailing bytes" in refused(gzip.compress(encode(*file) + extra))
    assert "trailing bytes" in refused(gzip.compress(encode(*file)) + gzip.compress(extra))


@given(image_files(), st.data())
def test_a_modified_header_byte_is_rejected(file, data):
    content = bytearray(encode(*file))
    position = data.draw(st.integers(0, 4 + 4 * len(file[0]) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    refused(bytes(content))


@given(st.binary(min_size=1, max_size=50), st.data())
def test_a_modified_header_byte_of_a_label_file_is_rejected(values, data):
    content = bytearray(encode((len(values),), values))
    content[data.draw(st.integers(0, 7))] ^= data.draw(st.integers(1, 255))
    refused(bytes(content), idx.open_labels)


@given(image_files(), st.data())
def test_a_modified_byte_in_gzip_data_is_rejected_or_harmless(file, data):
    content = bytearray(gzip.compress(encode(*file)))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    assert read_or_refuse(bytes(content)) in (file[1], None)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_rejected(content):
    for opener in (idx.open_images, idx.open_labels):
        read_or_refuse(content, opener)


IMAGES = encode((2, 3, 3), bytes(18))
LABELS = encode((2,), bytes(2))


@pytest.mark.parametrize(
    ("content", "opener", "reason"),
    [
        (b"", idx.open_images, "empty"),
        (b"<html><body>404", idx.open_images, "not an idx file: it looks like an HTML page ('<html><body>404')"),
        (gzip.compress(b"<html><body>404", mtime=0), idx.open_labels, "looks like an HTML page ('<html><body>404')"),
        (gzip.compress(gzip.compress(LABELS, mtime=0), mtime=0), idx.open_labels, "looks like gzip data"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", idx.open_images, "run `git lfs pull`"),
        (b'{"message": "Not Found"}', idx.open_images, 'looks like JSON (\'{"message": "Not Found"}\')'),
        (b"<?xml version='1.0'?><Error>", idx.open_images, "looks like XML ("),
        (b"PK\x03\x04" + bytes(30), idx.open_images, "looks like a ZIP archive: unpack it"),
        (b"%PDF-1.7\n\xff", idx.open_images, "looks like a PDF document"),
        (b"\x89PNG\r\n\x1a\n\0", idx.open_images, "looks like a PNG image"),
        (b"ab", idx.open_images, "looks like text ('ab')"),
        (bytes(100), idx.open_images, "looks like zero bytes only"),
        (b"\x07\x08\x09\xff", idx.open_images, "not an idx file (it starts with the bytes 07 08 09 ff)"),
        (LABELS, idx.open_images, "contains labels, not images; are the image and label files swapped?"),
        (IMAGES, idx.open_labels, "contains images, not labels; are the image and label files swapped?"),
        (encode((2, 3, 3, 1), bytes(18)), idx.open_labels, "swapped?"),
        (encode((2, 3), bytes(6)), idx.open_images, "2 dimensions"),
        (encode((2, 3), bytes(6)), idx.open_labels, "2 dimensions"),
        (encode((2, 3, 3), bytes(72), 0x0D), idx.open_images, "32-bit floats; only unsigned bytes"),
        (encode((2,), bytes(2), 0x09), idx.open_labels, "signed bytes; only unsigned bytes"),
        (encode((0, 3, 3), b""), idx.open_images, "a dimension is zero (0 x 3 x 3)"),
        (encode((0,), b""), idx.open_labels, "a dimension is zero (0)"),
        (encode((2, 3, 32, 32), bytes(6144)), idx.open_images, "32 channels"),
        (encode((1, 2**31, 2), b""), idx.open_images, "too large"),
        (IMAGES[:-1], idx.open_images, "truncated: 1 items, but 2 in the header"),
        (IMAGES[:9], idx.open_images, "truncated in its header"),
        (gzip.compress(IMAGES, mtime=0)[:-12], idx.open_images, "truncated: the gzip data ends too early"),
        (gzip.compress(IMAGES, mtime=0)[:-8] + bytes(8), idx.open_images, "corrupt gzip data (CRC check failed"),
        (b"\x1f\x8b\x07" + bytes(20), idx.open_images, "corrupt gzip data (Unknown compression method)"),
    ],
)
def test_the_reason_is_named(content, opener, reason):
    assert reason in refused(content, opener)


def test_the_most_common_name_comes_first():
    names = idx.file_names("t10k", "images")
    assert names[:3] == ("t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz", "t10k-images.idx3-ubyte")
    assert "t10k-images-idx4-ubyte.gz" in names
    assert idx.file_names("train", "labels") == (
        "train-labels-idx1-ubyte",
        "train-labels-idx1-ubyte.gz",
        "train-labels.idx1-ubyte",
        "train-labels.idx1-ubyte.gz",
    )
