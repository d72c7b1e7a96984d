"""Pictures of rows: grids of images, scatter plots of points, PNG bytes. Layer 2."""

import io
import math

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from ganntk.errors import InputError

_WHITE = 255
_GREY = (165, 165, 165)
_COLOUR = (31, 119, 180)
_READABLE_WIDTH = 480
# Drawn larger and reduced, because Pillow does not smooth the edges of ellipses.
_OVERSAMPLING = 4
_DOT_RADIUS = 3.0


def grid(
    rows: Float[np.ndarray, "rows h w c"],
    *,
    columns: int | None = None,
    pad: int = 1,
    scale: int = 1,
) -> UInt8[np.ndarray, "height width c"]:
    """Lay images out in a grid, from left to right and from top to bottom.

    Args:
        rows: images in [0, 1]; values outside are clipped.
        columns: images in a line; None makes the grid about square.
        pad: width of the white lines around the images, in pixels of the picture.
        scale: side of the square that one pixel of an image becomes.

    Returns:
        The picture; places that no image takes are white.

    Raises:
        InputError: there is no image, a shape or an option is out of range, or a value is not
            finite.

    Example:
        >>> grid(np.zeros((6, 8, 8, 1)), columns=3, scale=2).shape
        (35, 52, 1)
    """
    images = _as_bytes(rows)
    if images.ndim != 4 or 0 in images.shape:
        raise InputError(f"images of shape {images.shape} cannot be laid out: give (n, h, w, c)")
    count, height, width, channels = images.shape
    columns = math.ceil(math.sqrt(count)) if columns is None else columns
    if columns < 1 or pad < 0 or scale < 1:
        raise InputError(
            f"a grid with columns={columns}, pad={pad} and scale={scale} cannot be drawn: "
            "give at least one column, no negative pad and a scale of at least 1"
        )
    lines = -(-count // columns)
    cell = (height * scale + pad, width * scale + pad)
    cells = np.full((lines * columns, *cell, channels), _WHITE, np.uint8)
    enlarged = images.repeat(scale, axis=1).repeat(scale, axis=2)
    cells[:count, : height * scale, : width * scale] = enlarged
    # (lines, columns, y, x, c) -> (lines, y, columns, x, c): each line of cells side by side.
    tiled = cells.reshape(lines, columns, *cell, channels).swapaxes(1, 2)
    picture = tiled.reshape(lines * cell[0], columns * cell[1], channels)
    return np.pad(picture, ((pad, 0), (pad, 0), (0, 0)), constant_values=_WHITE)


def scatter(
    points: Float[np.ndarray, "rows 2"],
    reference: Float[np.ndarray, "others 2"] | None = None,
    *,
    size: int = _READABLE_WIDTH,
) -> UInt8[np.ndarray, "size size 3"]:
    """Draw points of the unit square: the reference in grey, the points in blue above it.

    Args:
        points: the generated points; the second coordinate points upwards.
        reference: the real points.
        size: side of the picture in pixels.

    Raises:
        InputError: the points are not in the plane, a value is not finite, or there is no room.
    """
    if size < 1:
        raise InputError(f"a picture {size} pixels wide cannot be drawn: give at least 1")
    side = size * _OVERSAMPLING
    canvas = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(canvas)
    if reference is not None:
        _draw_dots(draw, reference, side, _GREY)
    _draw_dots(draw, points, side, _COLOUR)
    return np.asarray(canvas.reduce(_OVERSAMPLING))


def picture_of(
    rows: Float[np.ndarray, "rows ..."],
    reference: Float[np.ndarray, "others ..."] | None = None,
    *,
    columns: int | None = None,
    limit: int = 100,
) -> UInt8[np.ndarray, "height width channels"]:
    """Choose the picture that fits the rows, at least 480 pixels wide.

    Images become a grid; points of the plane a scatter plot; longer vectors one grey line each.

    Args:
        rows: images (n, h, w, c) or points (n, d), in [0, 1].
        reference: real points to draw behind points of the plane; else without effect.
        columns: images in a line; None makes the grid about square.
        limit: how many images are shown at most, from the first on.

    Returns:
        A picture with one, three or four channels, as `to_png` takes it.

    Raises:
        InputError: the rows are neither images nor points, or a value is not finite.
    """
    if rows.ndim == 2 and rows.shape[1] == 2:
        return scatter(rows, reference)
    if rows.ndim == 2:
        return grid(rows[None, :, :, None], pad=0, scale=_readable(rows.shape[1]))
    shown = rows[:limit] if rows.shape[-1] in (1, 3, 4) else rows[:limit].mean(-1, keepdims=True)
    columns = math.ceil(math.sqrt(len(shown))) if columns is None else columns
    natural = grid(shown, columns=columns, pad=0).shape[1]
    scale = _readable(natural)
    return grid(shown, columns=columns, pad=max(1, scale // 4), scale=scale)


def to_png(picture: UInt8[np.ndarray, "height width channels"]) -> bytes:
    """Encode a picture as PNG.

    Args:
        picture: one channel (grey), three (red, green, blue) or four (with opacity).

    Raises:
        InputError: another type or number of channels.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] not in (1, 3, 4):
        raise InputError(
            f"a picture of type {picture.dtype} and shape {picture.shape} is no PNG: "
            "give uint8 of shape (h, w, c) with 1, 3 or 4 channels"
        )
    stream = io.BytesIO()
    flat = picture[:, :, 0] if picture.shape[2] == 1 else picture
    Image.fromarray(np.ascontiguousarray(flat)).save(stream, format="PNG")
    return stream.getvalue()


def _as_bytes(rows: np.ndarray) -> np.ndarray:
    """Values of [0, 1] as 0 to 255."""
    values = np.asarray(rows, np.float32)
    if not np.isfinite(values).all():
        raise InputError("values that are not finite cannot be drawn: look at the loss before them")
    return np.rint(255 * values.clip(0, 1)).astype(np.uint8)


def _readable(width: int) -> int:
    """The smallest whole factor that makes a width readable."""
    return max(1, -(-_READABLE_WIDTH // width))


def _draw_dots(
    draw: ImageDraw.ImageDraw, points: np.ndarray, side: int, colour: tuple[int, int, int]
) -> None:
    """Draw points of the unit square as filled circles that stay inside the picture."""
    values = np.asarray(points, np.float64)
    if values.ndim != 2 or values.shape[1] != 2 or not np.isfinite(values).all():
        raise InputError(f"rows of shape {values.shape} are no finite points: give (n, 2)")
    radius = _DOT_RADIUS * _OVERSAMPLING
    inner = side - 1 - 2 * radius
    for x, y in radius + inner * np.stack([values[:, 0], 1 - values[:, 1]], axis=1):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
