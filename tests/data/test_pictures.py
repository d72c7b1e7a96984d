import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ganntk.data import pictures
from ganntk.data.pictures import BrokenPictureError, decode

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
GREY = COLOUR[..., :1]


def encoded(array: np.ndarray, kind: str = "PNG", mode: str | None = None, **options) -> bytes:
    stream = io.BytesIO()
    image = Image.fromarray(array.squeeze())
    (image.convert(mode) if mode else image).save(stream, kind, **options)
    return stream.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG file that says how large it is and holds no pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
@pytest.mark.parametrize("array", [COLOUR, GREY], ids=["colour", "grey"])
def test_a_lossless_picture_comes_back(kind, array):
    np.testing.assert_array_equal(decode(encoded(array, kind), name="x"), array)


@pytest.mark.parametrize(("kind", "error"), [("JPEG", 12), ("WEBP", 12)])
def test_a_lossy_picture_comes_back_nearly(kind, error):
    smooth = np.linspace(0, 255, 16 * 16).reshape(16, 16, 1).repeat(3, axis=2).astype(np.uint8)
    found = decode(encoded(smooth, kind, quality=95), name="x")
    assert np.abs(found.astype(int) - smooth).max() <= error


def test_a_palette_becomes_colours():
    assert decode(encoded(COLOUR, "GIF", "P"), name="x").shape == (6, 8, 3)


def test_transparent_places_are_white():
    clear = np.dstack([COLOUR, np.zeros((6, 8), np.uint8)])
    assert (decode(encoded(clear), name="x") == 255).all()
    solid = np.dstack([COLOUR, np.full((6, 8), 255, np.uint8)])
    np.testing.assert_array_equal(decode(encoded(solid), name="x"), COLOUR)


def test_transparent_grey_stays_grey():
    content = np.dstack([GREY, np.full((6, 8), 255, np.uint8)])
    np.testing.assert_array_equal(decode(encoded(content), name="x"), GREY)


def test_sixteen_bits_keep_their_precision():
    deep = np.linspace(0, 65535, 48).reshape(6, 8).astype(np.uint16)
    found = decode(encoded(deep, "TIFF"), name="x")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[..., 0] * 65535, deep, atol=0.01)
    np.testing.assert_array_equal(found, decode(encoded(deep, "PNG"), name="x"))


def test_a_picture_lies_as_its_exif_entry_says():
    image, stream = Image.fromarray(COLOUR), io.BytesIO()
    exif = image.getexif()
    exif[0x0112] = 6  # turned right by a quarter when shown
    image.save(stream, "PNG", exif=exif)
    np.testing.assert_array_equal(decode(stream.getvalue(), name="x"), np.rot90(COLOUR, -1))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "the file is an empty file"),
        (b"hello, this is text", "is no picture .it begins '68 65 6c 6c'"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no picture"),
        (encoded(COLOUR)[:-30], "is cut short or damaged"),
        (png_header(20_000, 20_000), "is too large.*400000000 pixels.*reduce it"),
        (png_header(9_000, 8_000), "has 9000 x 8000 pixels: reduce it to at most 64 million"),
        (encoded(np.full((4, 4), 70_000, np.int32), "TIFF"), "at most 16 bits"),
    ],
)
def test_a_picture_that_cannot_be_used_names_itself_and_the_way_out(content, sentence):
    with pytest.raises(BrokenPictureError, match=sentence) as caught:
        decode(content, name="the file")
    assert str(caught.value).startswith("the file ")
    assert "\n" not in str(caught.value)


def test_a_real_picture_of_20000_by_20000_is_refused_before_it_is_decoded(monkeypatch):
    content = encoded(np.zeros((20_000, 20_000), bool), "PNG")
    monkeypatch.setattr(pictures, "_as_array", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(BrokenPictureError, match="too large"):
        decode(content, name="x")


JPEG = encoded(np.tile(COLOUR, (8, 8, 1)), "JPEG")


@given(st.integers(0, len(JPEG) - 40))
def test_a_jpeg_cut_short_is_refused(length):
    with pytest.raises(BrokenPictureError):
        decode(JPEG[:length], name="x")


@given(
    st.sampled_from([JPEG, encoded(COLOUR), encoded(COLOUR, "TIFF"), encoded(COLOUR, "GIF")]),
    st.data(),
)
def test_a_damaged_picture_is_an_array_or_one_sentence(content, data):
    broken = bytearray(content)
    for _ in range(data.draw(st.integers(1, 5))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = decode(bytes(broken), name="x")
    except BrokenPictureError:
        return
    assert found.ndim == 3
    assert found.shape[2] in (1, 3)
