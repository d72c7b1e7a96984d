"""Encoded pictures, JPEG, PNG and others, as arrays; whatever is wrong is one sentence. Layer 2."""

import io
import struct
import zlib

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from ganntk.errors import InputError

SUFFIXES = (
    ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff",
    ".webp",
)  # fmt: skip
"""How the names of picture files end, in small letters."""

MOST_PIXELS = 64_000_000
"""The largest picture that is decoded: it takes 192 MB in colour."""

# Not all that Pillow knows: some of its formats start other programs.
_FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
# What Pillow raises on damaged files of these formats.
_DAMAGE = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, AttributeError,
    OverflowError, NotImplementedError, struct.error, zlib.error,
)  # fmt: skip
_GREY = ("1", "L")
_SIXTEEN_BITS = 65535

Picture = UInt8[np.ndarray, "h w c"] | Float32[np.ndarray, "h w c"]
"""Bytes 0 to 255, or numbers in [0, 1] where eight bits are too few; one channel or three."""


class BrokenPictureError(InputError):
    """A file is no picture, or only a part of one."""


def decode(content: bytes, *, name: str) -> Picture:
    """Decode one picture, upright as its EXIF entry says.

    Transparent places become white; palettes and CMYK become red, green and blue. Of several
    frames the first is taken.

    Args:
        content: the file.
        name: what the error messages call it.

    Raises:
        BrokenPictureError: it is empty, of no known format, cut short or damaged, or has more than
            `MOST_PIXELS` pixels.
    """
    if not content:
        raise BrokenPictureError(f"{name} is an empty file: restore it or remove it")
    Image.init()  # Without it Pillow knows some of the formats only; a second call does nothing.
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            _check_size(image, name)
            return _as_array(ImageOps.exif_transpose(image), name)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise BrokenPictureError(f"{name} is too large ({_line(error)}): {_TOO_LARGE}") from error
    except UnidentifiedImageError as error:
        raise BrokenPictureError(
            f"{name} is no picture (it begins {content[:4].hex(' ')!r}): give JPEG, PNG, TIFF, "
            "WebP, BMP, GIF or PNM, or remove it"
        ) from error
    except _DAMAGE as error:
        raise BrokenPictureError(
            f"{name} is cut short or damaged ({_line(error)}): copy it again or remove it"
        ) from error


_TOO_LARGE = f"reduce it to at most {MOST_PIXELS // 10**6} million pixels first, or remove it"


def _check_size(image: Image.Image, name: str) -> None:
    """Refuse a picture that would fill the memory, before its pixels are read."""
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise BrokenPictureError(f"{name} has {width} x {height} pixels: {_TOO_LARGE}")


def _as_array(image: Image.Image, name: str) -> Picture:
    """The pixels in one channel or three."""
    if image.mode.startswith("I"):
        return _of_integers(np.asarray(image), name)
    if image.mode == "F":
        return np.asarray(image, np.float32)[..., None]
    if image.mode in _GREY:
        return np.asarray(image.convert("L"))[..., None]
    if image.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info:
        return _on_white(image)
    return np.asarray(image.convert("RGB"))


def _of_integers(values: np.ndarray, name: str) -> Float32[np.ndarray, "h w 1"]:
    """Sixteen-bit grey levels as parts of one."""
    if values.min() < 0 or values.max() > _SIXTEEN_BITS:
        raise BrokenPictureError(
            f"{name} has grey levels from {values.min()} to {values.max()}, and at most 16 bits "
            "were expected: save it with 16 bits"
        )
    return (values.astype(np.float32) / np.float32(_SIXTEEN_BITS))[..., None]


def _on_white(image: Image.Image) -> UInt8[np.ndarray, "h w c"]:
    """A picture with transparency, laid on white."""
    is_grey = image.mode in ("LA", "La")
    coloured = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    laid = np.asarray(Image.alpha_composite(white, coloured).convert("RGB"))
    return np.ascontiguousarray(laid[..., :1]) if is_grey else laid


def _line(error: BaseException) -> str:
    """An error in one line, or its kind where it says nothing."""
    return " ".join(str(error).split())[:160].rstrip(".") or type(error).__name__
