"""One shape for images of many shapes: cropped, grey or in colour, and resized. Layer 2."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from ganntk.data.pictures import Picture
from ganntk.errors import InputError

Colour = Literal["as_is", "grey", "rgb"]
Resample = Literal["box", "bilinear", "bicubic", "lanczos"]

# Pillow widens its filters by the factor of a reduction: that is what avoids aliasing.
_FILTERS = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_BOX = re.compile(r"(\d+)x(\d+)(?:\+(\d+)\+(\d+))?")
# Of red, green and blue: ITU-R 601, as Pillow's.
_LUMA = np.array([299, 587, 114], np.float32) / np.float32(1000)
_MOST_SIDE = 8192


@dataclass(frozen=True)
class Shaped:
    """How an image becomes a row: crop, then colour, then size.

    Attributes:
        side: pixels of a row's side; None keeps the size. Without a crop the aspect changes.
        crop: ``none``; ``square``, the largest one in the middle; ``WxH``, so many pixels in the
            middle; or ``WxH+X+Y``, from so far to the right and down.
        resample: filter of the reduction or enlargement; ``box`` averages areas.
        colour: ``as_is``, ``grey`` or ``rgb``.
    """

    side: int | None = None
    crop: str = "none"
    resample: Resample = "bicubic"
    colour: Colour = "as_is"

    def __post_init__(self) -> None:
        if self.side is not None and not 1 <= self.side <= _MOST_SIDE:
            raise InputError(f"side is {self.side}: expected 1 to {_MOST_SIDE} pixels")
        if self.resample not in _FILTERS:
            raise InputError(f"resample is {self.resample!r}: choose {', '.join(_FILTERS)}")
        if self.colour not in ("as_is", "grey", "rgb"):
            raise InputError(f"colour is {self.colour!r}: choose as_is, grey or rgb")
        if self.crop not in ("none", "square") and not _BOX.fullmatch(self.crop):
            raise InputError(
                f"crop is {self.crop!r}: choose none, square, WxH (such as 148x148) or WxH+X+Y"
            )

    @property
    def keeps_all(self) -> bool:
        """Whether every image stays as it is."""
        return self.side is None and self.crop == "none" and self.colour == "as_is"

    def shaped(self, image: np.ndarray, name: str) -> np.ndarray:
        """Give an image the shape that is asked for.

        Args:
            image: bytes, or numbers in [0, 1]; shape (h, w) or (h, w, c).
            name: what the error messages call it.

        Raises:
            InputError: it is no image, or is smaller than the crop.
        """
        if self.keeps_all:
            return image
        image = image[..., None] if image.ndim == 2 else image
        if image.ndim != 3:
            raise InputError(
                f"{name} has shape {image.shape} and is no image: leave out side, crop and colour"
            )
        return _resized(_coloured(self._cropped(image, name), self.colour, name), self)

    def _cropped(self, image: Picture, name: str) -> Picture:
        height, width = image.shape[:2]
        if self.crop == "none":
            return image
        found = _BOX.fullmatch(self.crop)
        if found is None:
            w = h = min(height, width)
        else:
            w, h = int(found[1]), int(found[2])
        x, y = (width - w) // 2, (height - h) // 2
        if found is not None and found[3] is not None:
            x, y = int(found[3]), int(found[4])
        if not (w and h) or x < 0 or y < 0 or x + w > width or y + h > height:
            raise InputError(
                f"the crop {self.crop} leaves {name}, which has {width} x {height} pixels: "
                "take a smaller one, or square"
            )
        return image[y : y + h, x : x + w]


def stacked(images: Sequence[np.ndarray] | np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Put images of one shape into one array.

    Args:
        images: the images, of one type or of several; bytes become numbers where they are mixed.
        names: what each is called in a message.

    Raises:
        InputError: their shapes differ; the sentence names two.
    """
    if isinstance(images, np.ndarray):
        return images
    for image, name in zip(images, names, strict=True):
        if image.shape != images[0].shape:
            raise InputError(_difference(images[0], names[0], image, name))
    if len({image.dtype for image in images}) > 1:
        images = [as_numbers(image) for image in images]
    return np.stack(images)


def as_numbers(image: np.ndarray) -> np.ndarray:
    """Bytes as float32 in [0, 1]; numbers as they are."""
    return image.astype(np.float32) / np.float32(255) if image.dtype == np.uint8 else image


def _difference(first: np.ndarray, first_name: str, other: np.ndarray, name: str) -> str:
    """Why two images cannot be rows of one array, and what to do."""
    if first.shape[:2] != other.shape[:2]:
        sizes = [f"{image.shape[1]} x {image.shape[0]}" for image in (first, other)]
        return (
            f"the images have mixed sizes ({first_name} is {sizes[0]}, {name} is {sizes[1]}): "
            "give side, such as side: 64, and crop: square to keep the aspect"
        )
    return (
        f"some images are grey and some have colours ({first_name} has {first.shape[-1]} channels, "
        f"{name} has {other.shape[-1]}): give colour: grey or colour: rgb"
    )


def _coloured(image: Picture, colour: Colour, name: str) -> Picture:
    channels = image.shape[-1]
    if colour == "as_is" or channels == (1 if colour == "grey" else 3):
        return image
    if channels not in (1, 3):
        raise InputError(f"{name} has {channels} channels: leave out colour")
    if colour == "rgb":
        return np.repeat(image, 3, axis=-1)
    if image.dtype == np.uint8:
        return np.asarray(Image.fromarray(np.ascontiguousarray(image)).convert("L"))[..., None]
    return (image @ _LUMA)[..., None]


def _resized(image: Picture, shape: Shaped) -> Picture:
    if shape.side is None or image.shape[:2] == (shape.side, shape.side):
        return np.ascontiguousarray(image)
    size, kernel = (shape.side, shape.side), _FILTERS[shape.resample]
    if image.dtype == np.uint8 and image.shape[-1] == 3:
        return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(size, kernel))
    is_bytes = image.dtype == np.uint8
    planes = [
        np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size, kernel))
        for plane in np.moveaxis(image if is_bytes else image.astype(np.float32), -1, 0)
    ]
    resized = np.stack(planes, axis=-1)
    # Bicubic and Lanczos overshoot at edges; bytes are clipped already.
    return resized if is_bytes else resized.clip(0, 1)
