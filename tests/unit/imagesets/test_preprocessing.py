"""Decode images of every format and mode, and bring them to size."""

import io
import struct
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kfp_azureml.imagesets import preprocessing
from kfp_azureml.imagesets.preprocessing import BadImageError, Preprocessing, decode, read_header, resize_pixels
from pictures import encoded, noise

RED, BLUE, WHITE, BLACK = (255, 0, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


def pixels(data, height, width, channels=3, resize="stretch"):
    wanted = Preprocessing(height, width, channels, resize)
    return np.frombuffer(decode(data, wanted), np.uint8).reshape(wanted.shape)


def halves(width=16, height=8, mode="RGB"):
    """Left half red, right half blue."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image.convert(mode)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "JPEG", "WEBP"])
def test_every_format_gives_its_pixels(kind):
    exact = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(kind, {})
    found = pixels(encoded(halves(), kind, **exact), 8, 16)
    np.testing.assert_allclose(found, np.asarray(halves()), atol=4)
    assert read_header(encoded(halves(), kind)) == (8, 16, 3)


@pytest.mark.parametrize(
    ("image", "grey", "colour"),
    [
        (Image.new("1", (2, 2), 1), 255, WHITE),
        (Image.new("L", (2, 2), 100), 100, (100, 100, 100)),
        (Image.new("LA", (2, 2), (100, 0)), 255, WHITE),
        (Image.new("LA", (2, 2), (100, 255)), 100, (100, 100, 100)),
        (Image.new("RGB", (2, 2), RED), 76, RED),
        (Image.new("RGBA", (2, 2), (255, 0, 0, 0)), 255, WHITE),
        (Image.new("RGBA", (2, 2), (0, 0, 0, 128)), 127, (127, 127, 127)),
        (Image.new("RGB", (2, 2), RED).quantize(4), 76, RED),
        (Image.fromarray(np.full((2, 2), 0xABCD, np.uint16)), 0xAB, (0xAB,) * 3),
    ],
    ids=["1", "L", "clear LA", "LA", "RGB", "clear RGBA", "half RGBA", "P", "16 bit"],
)
def test_every_mode_becomes_grey_and_colour(image, grey, colour):
    data = encoded(image)
    assert pixels(data, 2, 2, 1)[0, 0, 0] == grey
    assert tuple(pixels(data, 2, 2)[0, 0]) == colour
    assert read_header(data)[2] == (1 if image.mode in ("1", "L", "LA", "I;16") else 3)


def test_a_transparent_palette_entry_and_a_transparent_colour_are_white():
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([*RED, *BLUE])
    assert tuple(pixels(encoded(palette, "GIF", transparency=0), 2, 2)[0, 0]) == WHITE
    assert tuple(pixels(encoded(palette, transparency=0), 2, 2)[0, 0]) == WHITE
    assert tuple(pixels(encoded(Image.new("RGB", (2, 2), RED), transparency=RED), 2, 2)[0, 0]) == WHITE
    assert pixels(encoded(Image.new("L", (2, 2), 7), transparency=7), 2, 2, 1)[0, 0, 0] == 255


def test_cmyk_and_grey_jpeg():
    data = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=100)
    np.testing.assert_allclose(pixels(data, 4, 4)[0, 0], RED, atol=6)
    assert pixels(data, 4, 4, 1)[0, 0, 0] == pytest.approx(76, abs=6)
    grey = encoded(Image.new("L", (16, 16), 90), "JPEG")
    assert read_header(grey) == (16, 16, 1)
    assert pixels(grey, 4, 4)[0, 0].tolist() == [90, 90, 90]


def test_the_first_frame_counts():
    first, second = Image.new("RGB", (4, 4), RED), Image.new("RGB", (4, 4), BLUE)
    for kind in ("GIF", "TIFF", "WEBP"):
        exact = {"lossless": True} if kind == "WEBP" else {}
        data = encoded(first, kind, save_all=True, append_images=[second], **exact)
        assert tuple(pixels(data, 4, 4)[0, 0]) == RED


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exif_orientation_is_applied(orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = noise(1, (4, 2)).resize((64, 32), Image.Resampling.NEAREST)
    data = encoded(image, kind, exif=exif, **({"quality": 100, "subsampling": 0} if kind == "JPEG" else {}))
    from PIL import ImageOps

    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert read_header(data) == (*expected.shape[:2], 3)
    np.testing.assert_array_equal(pixels(data, *expected.shape[:2]), expected)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_pad_crop_and_stretch(kind):
    data = encoded(halves(200, 100), kind, **({"quality": 100, "subsampling": 0} if kind == "JPEG" else {}))
    padded = pixels(data, 20, 20, resize="pad")
    np.testing.assert_allclose(padded[2, 10], BLACK, atol=3)
    np.testing.assert_allclose(padded[10, 2], RED, atol=6)
    np.testing.assert_allclose(padded[10, 17], BLUE, atol=6)
    cropped = pixels(data, 20, 20, resize="crop")
    np.testing.assert_allclose(cropped[1, 2], RED, atol=6)
    np.testing.assert_allclose(cropped[18, 17], BLUE, atol=6)
    # The crop takes the middle square, 50 of 100 pixels to each side.
    upright = pixels(encoded(halves(200, 100), kind), 40, 10, resize="crop")
    np.testing.assert_allclose(upright[20, 1], RED, atol=12)
    stretched = pixels(data, 20, 20)
    np.testing.assert_allclose(stretched[0, 0], RED, atol=6)
    np.testing.assert_allclose(stretched[19, 19], BLUE, atol=6)


def test_a_scaled_jpeg_differs_little_from_a_whole_one():
    photo = noise(3, (8, 6)).resize((640, 480), Image.Resampling.BICUBIC)
    data = encoded(photo, "JPEG", quality=95)
    whole = np.asarray(Image.open(io.BytesIO(data)).resize((40, 30), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(pixels(data, 30, 40).astype(int) - whole).mean() < 3


def test_raw_pixels_are_resized_alike():
    wanted = Preprocessing(4, 4, 3, "pad")
    image = noise(5, (16, 8))
    assert resize_pixels(image.tobytes(), (8, 16, 3), wanted) == decode(encoded(image), wanted)
    grey = noise(5, (16, 8), "L")
    assert resize_pixels(grey.tobytes(), (8, 16, 1), wanted) == decode(encoded(grey), wanted)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"<html>", "not an image"),
        (encoded(noise(1))[:20], "damaged|not an image"),
        (encoded(noise(1, (64, 64)))[:-200], "damaged image"),
        (encoded(noise(1, (64, 64)), "JPEG")[:-200], "damaged image"),
        (encoded(Image.fromarray(np.ones((2, 2), np.float32)), "TIFF"), "floating-point"),
    ],
)
def test_a_bad_image_says_why(data, reason):
    with pytest.raises(BadImageError, match=reason):
        decode(data, Preprocessing(4, 4, 3, "pad"))


@pytest.mark.parametrize(("width", "height"), [(30_000, 4_000), (60_000, 60_000)])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(width, height):
    data = encoded(Image.new("1", (8, 8)))
    bomb = data[:16] + width.to_bytes(4, "big") + height.to_bytes(4, "big") + data[24:29]
    import zlib

    bomb += zlib.crc32(bomb[12:29]).to_bytes(4, "big") + data[33:]
    with warnings.catch_warnings(action="ignore"):
        for read in (read_header, lambda data: decode(data, Preprocessing(4, 4, 3, "pad"))):
            with pytest.raises(BadImageError, match="pixels"):
                read(bomb)


FILES = [encoded(noise(7, (24, 16)), kind) for kind in ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP")]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12),
    st.floats(0, 1),
)
def test_damaged_files_give_pixels_or_a_reason(data, changes, kept):
    broken = bytearray(data)
    for place, value in changes:
        broken[int(place * len(data))] = value
    wanted = Preprocessing(6, 5, 3, "crop")
    with warnings.catch_warnings(action="ignore"):
        try:
            found = decode(bytes(broken[: max(1, int(kept * len(broken)))]), wanted)
        except BadImageError as error:
            found, reason = b"", str(error)
        else:
            reason = ""
    assert len(found) == 6 * 5 * 3 or (reason and "\n" not in reason)


def test_a_jpeg_with_thousands_of_scans_is_refused():
    data = encoded(noise(1, (64, 64)), "JPEG", progressive=True)
    scan = data[data.rfind(b"\xff\xda") : -2]
    pixels(data[:-2] + scan * 50 + data[-2:], 8, 8)
    with pytest.raises(BadImageError, match="more than 100 scans"):
        pixels(data[:-2] + scan * 100 + data[-2:], 8, 8)


def test_a_large_run_length_encoded_bmp_is_refused():
    def bmp(width):
        header = struct.pack("<IiiHHIIiiII", 40, width, 1, 1, 8, 1, 0, 0, 0, 256, 0)
        return struct.pack("<2sIHHI", b"BM", 0, 0, 0, 14 + 40 + 1024) + header + bytes(1024) + b"\1\0" + b"\0\0\0\1"

    pixels(bmp(1000), 1, 1)
    with pytest.raises(BadImageError, match="run-length encoded, with more than 4,194,304 pixels"):
        pixels(bmp(4_194_305), 1, 1)


def test_16_bits_take_little_memory(monkeypatch):
    """NumPy gets strips only, and they fit together."""
    monkeypatch.setattr(preprocessing, "STRIP_PIXELS", 100)
    values = np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) * 21
    sizes = []
    fromarray = Image.fromarray
    monkeypatch.setattr(Image, "fromarray", lambda array: sizes.append(array.size) or fromarray(array))
    wanted = Preprocessing(48, 64, 1, "stretch")
    assert decode(encoded(fromarray(values)), wanted) == (values >> 8).astype(np.uint8).tobytes()
    assert max(sizes) <= 100


def test_orientation_behind_the_pixels_of_a_png_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(noise(1, (6, 4)), exif=exif)
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    late = data[:start] + data[end:-12] + data[start:end] + data[-12:]
    np.testing.assert_array_equal(pixels(late, 6, 4), pixels(data, 6, 4))
    np.testing.assert_array_equal(
        pixels(late, 6, 4), np.asarray(noise(1, (6, 4)).transpose(Image.Transpose.ROTATE_270))
    )
