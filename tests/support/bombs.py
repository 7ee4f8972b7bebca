"""Small image files whose headers declare many pixels."""

import struct
import zlib

from PIL import Image

from pictures import encoded


def png(width: int, height: int) -> bytes:
    """Return a PNG."""
    data = encoded(Image.new("1", (8, 8)))
    bomb = data[:16] + struct.pack(">II", width, height) + data[24:29]
    return bomb + struct.pack(">I", zlib.crc32(bomb[12:29])) + data[33:]


def gif(width: int, height: int) -> bytes:
    """Return a GIF; its frame is as large as its canvas."""
    data = encoded(Image.new("L", (8, 8)), "GIF")
    frame = data.index(b"\x2c\0\0\0\0\x08\0\x08\0")
    size = struct.pack("<HH", width, height)
    return data[:6] + size + data[10 : frame + 5] + size + data[frame + 9 :]


def bmp(width: int, height: int) -> bytes:
    """Return a BMP."""
    data = encoded(Image.new("L", (8, 8)), "BMP")
    return data[:18] + struct.pack("<ii", width, height) + data[26:]


def tiff(width: int, height: int) -> bytes:
    """Return a TIFF."""
    data = bytearray(encoded(Image.new("L", (8, 8)), "TIFF"))
    start = struct.unpack_from("<I", data, 4)[0]
    for number in range(struct.unpack_from("<H", data, start)[0]):
        entry = start + 2 + 12 * number
        tag, kind = struct.unpack_from("<HH", data, entry)
        if tag in (256, 257):
            struct.pack_into("<H" if kind == 3 else "<I", data, entry + 8, width if tag == 256 else height)
    return bytes(data)
