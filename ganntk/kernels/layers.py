r"""Layers of an infinitely wide network, each as its closed form. Layer 2.

A layer maps variances of rows to variances, and squared distances of pairs to squared distances
(`ganntk.kernels.covariance` says why distances). Writing $v$ for variances, $D$ for distances,
$\Theta$ and $T$ for the same two of the NTK, in the NTK parameterisation (Jacot et al. 2018;
convolutions as in Novak et al. 2020; ReLU as in Cho and Saul 2009; erf as in Williams 1996).
"""

import abc
import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from ganntk.errors import InputError
from ganntk.kernels.covariance import (
    Distance,
    Variance,
    distance_of,
    features,
    over_pairs,
    variance_of,
)
from ganntk.kernels.relu_pairs import relu_distance, smooth_relu_distance
from ganntk.kernels.windows import Window, window_distance, window_sum
from ganntk.registry import Registered
from ganntk.typing import Rows

WEIGHT_VARIANCE = 1.4615
BIAS_VARIANCE = 0.1


class Layer(Registered, abc.ABC):
    """One layer: what it does to the variances of rows and to the distances of pairs."""

    kind: ClassVar[str] = "layer"
    package: ClassVar[str] = "ganntk.kernels"
    _registry: ClassVar[dict[str, type]] = {}

    @abc.abstractmethod
    def variance(self, v: Variance) -> Variance:
        """Map the variances of rows, shape (positions..., n)."""

    @abc.abstractmethod
    def distance(self, d: Distance, v1: Variance, v2: Variance) -> Distance:
        """Map the distances of pairs, given the variances of their rows before this layer."""

    def smooth_distance(self, d: Distance, v1: Variance, v2: Variance) -> Distance:
        """The map `distance` for forward mode, which a hand-written pull-back does not have."""
        return self.distance(d, v1, v2)

    def input_variance(self, x: Rows) -> Variance:
        """Variances after this layer when it is the first: a mean over channels enters it."""
        return self.variance(variance_of(features(x), 1 / x.shape[-1]))

    def input_distance(self, x1: Rows, x2: Rows) -> Distance:
        """Distances after this layer when it is the first."""
        scale = 1 / x1.shape[-1]
        a, b = features(x1), features(x2)
        return self.distance(distance_of(a, b, scale), variance_of(a, scale), variance_of(b, scale))


@Layer.register("dense")
@dataclass(frozen=True)
class Dense(Layer):
    r"""A fully connected layer, applied at each position.

    $v' = \sigma_w^2 v + \sigma_b^2$, $D' = \sigma_w^2 D$, $\Theta' = v' + \sigma_w^2 \Theta$,
    $T' = D' + \sigma_w^2 T$: the bias drops out of every distance.
    """

    weight_variance: float = WEIGHT_VARIANCE
    bias_variance: float = BIAS_VARIANCE

    def variance(self, v: Variance) -> Variance:
        nngp = self.weight_variance * v.nngp + self.bias_variance
        return Variance(nngp, nngp + self.weight_variance * v.ntk)

    def distance(self, d: Distance, v1: Variance, v2: Variance) -> Distance:
        return self.scaled(d)

    def scaled(self, d: Distance) -> Distance:
        """Map distances, which need no variances here."""
        nngp = self.weight_variance * d.nngp
        return Distance(nngp, nngp + self.weight_variance * d.ntk)


@Layer.register("conv")
@dataclass(frozen=True)
class Conv(Layer):
    r"""A convolution: a dense layer on the mean over the filter's window.

    Positions outside the image count as zero, and every mean divides by the full window.
    """

    filter_shape: tuple[int, int] = (4, 4)
    strides: tuple[int, int] = (2, 2)
    padding: Literal["SAME", "VALID"] = "SAME"
    weight_variance: float = WEIGHT_VARIANCE
    bias_variance: float = BIAS_VARIANCE

    def variance(self, v: Variance) -> Variance:
        return self._dense().variance(Variance(*map(self._mean, v)))

    def distance(self, d: Distance, v1: Variance, v2: Variance) -> Distance:
        return self._dense().scaled(Distance(*map(self._mean, d)))

    def input_variance(self, x: Rows) -> Variance:
        v = variance_of(features(x), 1 / x.shape[-1])
        return self._dense().variance(Variance(self._mean(v.nngp), self._mean(v.ntk)))

    def input_distance(self, x1: Rows, x2: Rows) -> Distance:
        total: jax.Array = window_distance(self._window(), features(x1), features(x2))
        nngp = total / (math.prod(self.filter_shape) * x1.shape[-1])
        return self._dense().scaled(Distance(nngp, jnp.zeros_like(nngp)))

    def _dense(self) -> Dense:
        return Dense(self.weight_variance, self.bias_variance)

    def _window(self) -> Window:
        return Window(self.filter_shape, self.strides, self.padding)

    def _mean(self, k: jax.Array) -> jax.Array:
        return window_sum(k, self._window()) / math.prod(self.filter_shape)


@Layer.register("flatten")
@dataclass(frozen=True)
class Flatten(Layer):
    """The mean over all positions: a dense readout sees same-position covariances only."""

    def variance(self, v: Variance) -> Variance:
        return Variance(*(jnp.mean(k, axis=range(k.ndim - 1)) for k in v))

    def distance(self, d: Distance, v1: Variance, v2: Variance) -> Distance:
        return Distance(*(jnp.mean(k, axis=range(k.ndim - 2)) for k in d))

    def input_variance(self, x: Rows) -> Variance:
        return variance_of(_flat(x), 1 / math.prod(x.shape[1:]))

    def input_distance(self, x1: Rows, x2: Rows) -> Distance:
        return distance_of(_flat(x1), _flat(x2), 1 / math.prod(x1.shape[1:]))


def _flat(x: Rows) -> jax.Array:
    return x.reshape(len(x), -1).T


@Layer.register("relu")
@dataclass(frozen=True)
class Relu(Layer):
    r"""$\max(0, \cdot)$, through the angle $\theta$ between the rows.

    With $r = \sqrt v$, $g = r_1 r_2$ and $h = \sin^2(\theta/2) = (D - (r_1 - r_2)^2) / 4g$:
    $D' = D/2 - (g/\pi)(\sin\theta - \theta\cos\theta)$ and $T' = T/2 + \Theta_{12}\,\theta/\pi$.
    The second has a kink at $\theta = 0$; `ganntk.kernels.arcs` says what its derivative is.
    """

    def variance(self, v: Variance) -> Variance:
        return Variance(v.nngp / 2, v.ntk / 2)

    def distance(self, d: Distance, v1: Variance, v2: Variance) -> Distance:
        return relu_distance(d, _root(v1.nngp), _root(v2.nngp), v1.ntk, v2.ntk)

    def smooth_distance(self, d: Distance, v1: Variance, v2: Variance) -> Distance:
        return smooth_relu_distance(d, _root(v1.nngp), _root(v2.nngp), v1.ntk, v2.ntk)


def _root(v: jax.Array) -> jax.Array:
    """Square root whose derivative at zero is zero: a row of zeros has no direction to leave in."""
    positive = v > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, v, 1)), 0)


@Layer.register("leaky_relu")
@dataclass(frozen=True)
class LeakyRelu(Layer):
    r"""$\max(x, \alpha x) = \alpha x + (1 - \alpha) \max(0, x)$, with the slope $\alpha$ in [0, 1].

    For normal x and y of covariance k, $E[x \max(0, y)] = k/2$: every variance and distance is
    $\alpha$ times what it was plus $(1 - \alpha)^2$ times what the ReLU makes of it.

    Attributes:
        slope: of the negative half; 0 is the ReLU, 1 no nonlinearity at all.
    """

    slope: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.slope <= 1:
            raise InputError(f"leaky_relu has the slope {self.slope}: expected 0 to 1")

    def variance(self, v: Variance) -> Variance:
        return Variance(*map(self._mixed, v, Relu().variance(v)))

    def distance(self, d: Distance, v1: Variance, v2: Variance) -> Distance:
        return Distance(*map(self._mixed, d, Relu().distance(d, v1, v2)))

    def smooth_distance(self, d: Distance, v1: Variance, v2: Variance) -> Distance:
        return Distance(*map(self._mixed, d, Relu().smooth_distance(d, v1, v2)))

    def _mixed(self, before: jax.Array, bent: jax.Array) -> jax.Array:
        return self.slope * before + (1 - self.slope) ** 2 * bent


@Layer.register("erf")
@dataclass(frozen=True)
class Erf(Layer):
    r"""The error function, $k' = (2/\pi)\arcsin\left(2k_{12}/\sqrt{ab}\right)$ with $a = 1+2v_1$.

    The tangent factor is $\dot k_{12} = (4/\pi)/\sqrt{p_{12}}$ with $p_{12} = ab - 4k_{12}^2$. Both
    distances are sums of two differences from the diagonal, each taken without cancellation.
    """

    def variance(self, v: Variance) -> Variance:
        a = 1 + 2 * v.nngp
        nngp = (2 / math.pi) * jnp.arcsin(2 * v.nngp / a)
        return Variance(nngp, v.ntk * (4 / math.pi) * jax.lax.rsqrt(1 + 4 * v.nngp))

    def distance(self, d: Distance, v1: Variance, v2: Variance) -> Distance:
        k11, k22 = over_pairs(v1.nngp, v2.nngp)
        k12 = (k11 + k22 - d.nngp) / 2
        # det = k11 k22 - k12^2, from the distance: positive however close the rows are.
        det = ((k11 + k22) * d.nngp - jnp.square(d.nngp) / 2 - jnp.square(k11 - k22) / 2) / 2
        p12 = 1 + 2 * (k11 + k22) + 4 * det
        gaps = [_arcsine_gap(k, other, k12, d.nngp, p12) for k, other in ((k11, k22), (k22, k11))]
        slope = jax.lax.rsqrt(p12)
        ntk = slope * d.ntk
        for k, other, theta in zip((k11, k22), (k22, k11), over_pairs(v1.ntk, v2.ntk), strict=True):
            p = 1 + 4 * k
            # 1/sqrt(p) - 1/sqrt(p12) = (p12 - p) / (sqrt(p p12) (sqrt p + sqrt p12))
            rise = 2 * (other - k) + 4 * det
            ntk = ntk + theta * rise * slope * jax.lax.rsqrt(p) / (jnp.sqrt(p) + jnp.sqrt(p12))
        return Distance((2 / math.pi) * (gaps[0] + gaps[1]), (4 / math.pi) * ntk)


def _arcsine_gap(
    k: jax.Array, other: jax.Array, k12: jax.Array, distance: jax.Array, p12: jax.Array
) -> jax.Array:
    """arcsin(2k/a) - arcsin(2 k12/sqrt(ab)), a = 1 + 2k, b = 1 + 2 other, without cancellation."""
    a, b = 1 + 2 * k, 1 + 2 * other
    root_a, root_b = jnp.sqrt(a), jnp.sqrt(b)
    # k - k12 = (distance + k - other)/2 and sqrt b - sqrt a = 2(other - k)/(sqrt a + sqrt b)
    rise = k * 2 * (other - k) / (root_a + root_b) + root_a * (distance + k - other) / 2
    x, y = 2 * k / a, 2 * k12 / (root_a * root_b)
    cos_x, cos_y = jnp.sqrt(1 + 4 * k) / a, jnp.sqrt(p12) / (root_a * root_b)
    # sin(X - Y) = (x^2 - y^2)/(x cos y + y cos x); where that sum is not positive (a row of zeros,
    # opposite rows) nothing cancels in the plain form.
    plain, total = x * cos_y - y * cos_x, x * cos_y + y * cos_x
    stable = total > 0
    sine = (2 * rise / (a * root_b)) * (x + y) / jnp.where(stable, total, 1)
    return jnp.arctan2(jnp.where(stable, sine, plain), cos_x * cos_y + x * y)
