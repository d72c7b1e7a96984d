"""Pictures of rows as HTML that holds them: grids, and generated rows beside real ones. Layer 4."""

import base64
import struct
from html import escape
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int

from ganntk import images
from ganntk.report.numbers import fixed
from ganntk.run_folder import Rows, SavedImages, sheet

PAIRS = 16
"""Generated images that are shown beside the nearest real one."""

_SMALL = 64
"""Width up to which a single image is enlarged by a whole factor, its pixels sharp squares."""


def are_images(rows: Rows) -> bool:
    """Whether rows are images: (rows, h, w, c)."""
    return rows.ndim == 4


def are_plane_points(rows: Rows) -> bool:
    """Whether rows are points of a two-dimensional mixture: (rows, 2)."""
    return rows.ndim == 2 and rows.shape[1] == 2


def shown(rows: Rows) -> int:
    """How many rows of this size a picture of the report shows: fewer of large images."""
    side = max(rows.shape[1:3]) if are_images(rows) else 1
    most = 64 if side <= 64 else 36 if side <= 128 else 16
    return min(most, len(rows))


def grid(rows: Rows, alt: str) -> str:
    """The first rows, as many as `shown` says, as an `<img>` element."""
    return img(images.to_png(sheet(rows[: shown(rows)])), alt)


def img(png: bytes, alt: str, kind: Literal["sheet", "pixels", "plot"] = "sheet") -> str:
    """A PNG file as an `<img>` element that carries it.

    Args:
        png: the file.
        alt: what it shows, in words.
        kind: how the page scales it; see `page.css`.
    """
    width, height = struct.unpack(">II", png[16:24])
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<img class="{kind}" style="--w:{width}" width="{width}" height="{height}" '
        f'alt="{escape(alt)}" src="data:image/png;base64,{data}">'
    )


def spread(distances: Float32[np.ndarray, " rows"], count: int) -> Int[np.ndarray, " chosen"]:
    """Indices of `count` values spread evenly over their ranks, the smallest first."""
    order = np.argsort(distances, kind="stable")
    ranks = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)
    return order[ranks]


def pairs(generated: SavedImages, real: Rows) -> str:
    """Sixteen generated images, each above its nearest real one, as figures.

    They are spread over the ranks of the distance, the nearest first, so that a copy of a real
    image would be seen. A row whose nearest real one was not saved is left out.
    """
    kept = np.flatnonzero(generated.nearest_real < len(real))
    chosen = kept[spread(generated.nearest_distance[kept], PAIRS)] if len(kept) else []
    return "\n".join(_pair(generated, real, row) for row in chosen)


def _pair(generated: SavedImages, real: Rows, row: int) -> str:
    """One generated image and its nearest real one."""
    nearest = int(generated.nearest_real[row])
    caption = fixed(float(generated.nearest_distance[row]), digits=3)
    if np.isfinite(ssim := float(generated.nearest_ssim[row])):
        caption += f"<br>SSIM {fixed(ssim, digits=2)}"
    kind = "pixels" if real.shape[2] <= _SMALL else "sheet"
    ours = img(_png(generated.rows[row]), f"generated image {int(generated.index[row])}", kind)
    theirs = img(_png(real[nearest]), f"its nearest real image, number {nearest}", kind)
    return f'<figure class="pair">{ours}{theirs}<figcaption>{caption}</figcaption></figure>'


def _png(image: Float32[np.ndarray, "h w c"]) -> bytes:
    """One image as a PNG file, grey where its channels are no colours."""
    has_colours = image.shape[-1] in (1, 3, 4)
    drawn = image if has_colours else image.mean(axis=-1, keepdims=True)
    return images.to_png(images.grid(drawn[None], pad=0))
