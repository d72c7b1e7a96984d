"""Real images with smooth random warps: more rows than were given, none of them given. Layer 2.

A warp moves each pixel by a smooth random field. It changes no texture and little of what an image
shows, and it puts strokes where no given image has them: rows synthesised from warped images are
not drawn to the given ones. It helps where images of a kind differ by deformation, as handwriting
and cells do, and not where positions mean something.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32

from ganntk.data.base import Dataset, Source, make_dataset
from ganntk.data.digits import Digits
from ganntk.errors import InputError


@Source.register("warped")
@dataclass(frozen=True)
class Warped(Source):
    """Images of another source, each as several warped copies; the images themselves are left out.

    The displacement of a pixel is a white random field that is smoothed by a Gaussian and scaled to
    a standard deviation of `amplitude` in each direction. Outside the image its border goes on.

    Attributes:
        of: where the images come from.
        copies: warped images made of each.
        amplitude: standard deviation of the displacement, in pixels.
        smoothness: standard deviation of the Gaussian, in pixels.
        warp_seed: of the fields.
    """

    of: Source = field(default_factory=Digits)
    copies: int = 4
    amplitude: float = 1.0
    smoothness: float = 4.0
    warp_seed: int = 0

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise InputError(f"data.copies is {self.copies}: expected at least 1")
        for name in ("amplitude", "smoothness"):
            if not 0 < (value := getattr(self, name)) < math.inf:
                raise InputError(f"data.{name} is {value}: expected a positive number of pixels")
        if self.warp_seed < 0:
            raise InputError(f"data.warp_seed is {self.warp_seed}: give 0 or a positive number")

    def load(self) -> Dataset:
        """Load the images and warp them: all first copies, then all second ones, and so on."""
        given = self.of.load()
        if given.rows.ndim != 4:
            raise InputError(
                f"rows of shape {given.rows.shape} cannot be warped: warped takes images"
            )
        copies = [
            warped(
                image,
                amplitude=self.amplitude,
                smoothness=self.smoothness,
                # A copy of a row is the same however many copies and rows there are.
                draws=np.random.default_rng((self.warp_seed, copy, row)),
            )
            for copy in range(self.copies)
            for row, image in enumerate(given.rows)
        ]
        labels = None if given.labels is None else np.tile(given.labels, self.copies)
        name = f"{given.name}, warped"
        return make_dataset(self, np.stack(copies), labels, name=name, originals=given.rows)


def warped(
    image: Float32[np.ndarray, "h w c"],
    *,
    amplitude: float,
    smoothness: float,
    draws: np.random.Generator,
) -> Float32[np.ndarray, "h w c"]:
    """One image, each pixel of which comes from a place nearby.

    Args:
        image: values in [0, 1].
        amplitude: standard deviation of the displacement in each direction, in pixels.
        smoothness: of the displacement, in pixels.
        draws: where the random field comes from.

    Example:
        >>> image = np.eye(8, dtype=np.float32)[..., None]
        >>> warped(image, amplitude=1.0, smoothness=3.0, draws=np.random.default_rng(0)).shape
        (8, 8, 1)
    """
    # Imported here: few runs warp, and it takes long to import.
    from scipy import ndimage

    shape = image.shape[:2]
    moves = [
        ndimage.gaussian_filter(draws.standard_normal(shape), smoothness, mode="reflect")
        for _ in range(2)
    ]
    places = [
        grid + amplitude * move / np.sqrt((move**2).mean())
        for grid, move in zip(np.indices(shape, np.float64), moves, strict=True)
    ]
    channels = [
        # Cubic: linear interpolation blurs, and features of texture see nothing else.
        ndimage.map_coordinates(image[..., c], places, order=3, mode="nearest")
        for c in range(image.shape[2])
    ]
    return np.clip(np.stack(channels, axis=-1), 0, 1).astype(np.float32)
