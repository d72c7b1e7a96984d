r"""The discriminator from matrix-vector products, without an N x N cotangent. Layer 2.

Everything that is wanted of $e^{-\lambda K}$ lives in Krylov spaces: the predictions in that of the
labels, the slope of the objective in that of itself. Which product of K is taken is the caller's:
of a matrix inside a jitted program, or of rows that live elsewhere, with `on_host` for a loop.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk.discriminator import krylov, ritz
from ganntk.discriminator.krylov import Krylov
from ganntk.discriminator.products import Operator
from ganntk.discriminator.ritz import Ritz
from ganntk.discriminator.solution import LossAndCotangent
from ganntk.discriminator.spectra import Spectrum, divided_differences
from ganntk.objectives import Objective
from ganntk.typing import Count, Labels, LowRank, Scalar

MOST_PRODUCTS = 254
"""Products of one Krylov space; the authors' training times a hundredfold take half as many.

With one pending block of two vectors the space has a power of two of them.
"""

# No training time worth the name is served by fewer blocks.
_FIRST_CHECK = 8

Loop: TypeAlias = Callable[[Callable[[Any], Any], Callable[[Any], Any], Any], Any]
"""``loop(condition, body, state)``, as `jax.lax.while_loop`."""


def on_host(condition: Callable[[Any], Any], body: Callable[[Any], Any], state: Any) -> Any:
    """A loop outside a jitted program, for products that a jitted program cannot ask for."""
    while bool(condition(state)):
        state = body(state)
    return state


def tolerance(dtype: Any, solver_dtype: Any) -> float:
    """The residual to stop at: below it lies the rounding of what float32 multiplies."""
    is_double = jnp.dtype(dtype) == jnp.dtype(solver_dtype) == jnp.float64
    return 1e-10 if is_double else 1e-6


def by_lanczos(
    K: Operator,
    y: Labels,
    lam: Scalar | float,
    *,
    objective: Objective,
    diagonal: float = 0.0,
    most_products: int = MOST_PRODUCTS,
    loop: Loop = jax.lax.while_loop,
) -> LossAndCotangent:
    r"""The objective, the predictions and $dL/dK = \mathrm{left}\,\mathrm{right}^T + c I$.

    One block run serves the labels, and the slope too where the objective says that it will lie in
    the same space (`Objective.starts`). Otherwise a second run starts from the slope P once it is
    known, and the divided differences stand between the Ritz values of both:
    $G = -\mathrm{sym}(V_2 W_2 [\Phi(\theta_2, \theta_1) \circ \hat P \hat Y^T] W_1^T V_1^T)$.
    Enlarging the first space by P instead takes more products: every step would have to carry on
    the blocks of the first run as well.

    Args:
        K: products of the Gram matrix of all rows.
        y: labels, 1 on real rows and 0 on generated rows, shape (N,); their dtype is that of
            all vectors and results.
        lam: training time, at least zero.
        objective: what the generated rows ask of the predictions.
        diagonal: relative regulariser $\rho$ of the diagonal.
        most_products: where each run ends, converged or not; `residual` says which.
        loop: `jax.lax.while_loop`, or `on_host`.

    Returns:
        The loss, D (N,), the two factors of the cotangent with a multiple of the identity, Ritz
        values, the number of products and the residual.
    """
    explore = partial(_explore, _regularised(K, diagonal, y), most_products, loop)
    starts = objective.starts(y)
    # exp(-lam K) is applied to a slope that holds exp(-lam K) y already.
    fitted = explore(starts.columns, 2 * lam if starts.hold_slope else lam)
    targets = objective.targets(y)
    F, D = (_learnt(fitted, lam, columns) for columns in (targets, y[:, None]))
    loss, slope = objective.loss_and_slope(F)
    if starts.hold_slope:
        factors = _factors_of_one(fitted, lam, slope, targets)
        products, residual = fitted.products, fitted.residual
    else:
        sloped = explore(slope, lam)
        factors = _factors_of_two(sloped, fitted, lam, slope, targets)
        products = fitted.products + sloped.products
        residual = jnp.maximum(fitted.residual, sloped.residual)
    # The regulariser's own dependence on K: d(tr K / N)/dK = I / N.
    identity = diagonal * jnp.sum(factors.left * factors.right) / len(y)
    y_hat = ritz.coordinates(fitted.space, fitted.ritz, y[:, None])[:, 0]
    return LossAndCotangent(
        loss=loss,
        predictions=D[:, 0],
        cotangent=factors._replace(identity=identity),
        eigenvalues=fitted.ritz.values,
        weights=jnp.square(y_hat) / len(y),
        products=products,
        residual=residual,
    )


def partial_spectrum(
    K: Operator,
    y: Labels,
    *,
    diagonal: float = 0.0,
    most_products: int = MOST_PRODUCTS,
    loop: Loop = jax.lax.while_loop,
) -> Spectrum:
    r"""The Ritz pairs that the labels see: $\frac1N|D - y|^2$ for every $\lambda$.

    A Gauss quadrature: the error is a quadratic form of $e^{-2\lambda K}$, and twice as many
    moments of it are exact as there were products. `separation_error` and `lam.solve` take it as
    they take a whole spectrum.

    Args:
        K: products of the Gram matrix of all rows.
        y: labels, shape (N,).
        diagonal: relative regulariser $\rho$ of the diagonal.
        most_products: how many products, unless fewer are exact.
        loop: `jax.lax.while_loop`, or `on_host`.
    """
    multiply = _regularised(K, diagonal, y).product
    most_blocks = min(most_products, len(y))

    space = loop(
        lambda space: (space.blocks < most_blocks) & ~krylov.is_exhausted(space),
        lambda space: krylov.extend(space, multiply(space.pending)),
        krylov.start(y[:, None], most_blocks=most_blocks),
    )
    values, vectors = ritz.decompose(krylov.without_pending(space))
    return Spectrum(values, space.basis.T @ vectors)


class _Explored(NamedTuple):
    """A Krylov space that is large enough, or as large as allowed."""

    space: Krylov
    ritz: Ritz
    residual: Scalar

    @property
    def products(self) -> Count:
        return self.space.blocks * self.space.width


def _regularised(K: Operator, diagonal: float, y: Labels) -> Operator:
    """K + diagonal tr(K) / N I, with products in the precision of the vectors."""
    shift = diagonal * K.trace / len(y)

    def product(v: Float[Array, "rows width"]) -> Float[Array, "rows width"]:
        return jnp.asarray(K.product(v), y.dtype) + shift * v

    return Operator(product, K.dtype)


def _explore(
    K: Operator,
    most_products: int,
    loop: Loop,
    columns: Float[Array, "rows width"],
    longest: Scalar | float,
) -> _Explored:
    """Multiply until $e^{-sK}$ is known on the columns for all times s up to the longest."""
    rows, width = columns.shape
    # Each block but the last has a new vector, if only one.
    most_blocks = min(max(1, most_products // width), rows)
    enough = tolerance(K.dtype, columns.dtype)

    def grow(state: tuple[Krylov, Scalar]) -> tuple[Krylov, Scalar]:
        space = krylov.extend(state[0], K.product(state[0].pending))
        return space, _residual_when_due(space, longest, most_blocks)

    space, residual = loop(
        lambda state: (state[0].blocks < most_blocks) & (state[1] > enough),
        grow,
        (krylov.start(columns, most_blocks=most_blocks), jnp.asarray(jnp.inf, columns.dtype)),
    )
    return _Explored(space, ritz.decompose(space), residual)


@partial(jax.jit, static_argnums=2)
def _residual_when_due(space: Krylov, longest: Scalar | float, most_blocks: int) -> Scalar:
    """The residual after some blocks, then after every eighth part more; infinite in between.

    It takes a small eigenproblem, which may be as dear as a product.
    """
    blocks = space.blocks
    is_due = (blocks >= _FIRST_CHECK) & (blocks % jnp.maximum(1, blocks // 8) == 0)
    is_due |= (blocks == most_blocks) | krylov.is_exhausted(space)
    unknown = jnp.asarray(jnp.inf, space.basis.dtype)
    return jax.lax.cond(is_due, lambda: ritz.residual(space, longest), lambda: unknown)


@jax.jit
def _learnt(
    explored: _Explored, lam: Scalar | float, columns: Float[Array, "rows c"]
) -> Float[Array, "rows c"]:
    r"""$(I - e^{-\lambda K})$ times columns of the space."""
    space, pairs, _ = explored
    hat = ritz.coordinates(space, pairs, columns)
    return space.basis.T @ (pairs.vectors @ (-jnp.expm1(-lam * pairs.values)[:, None] * hat))


@jax.jit
def _factors_of_one(
    explored: _Explored,
    lam: Scalar | float,
    slope: Float[Array, "rows c"],
    targets: Float[Array, "rows c"],
) -> LowRank:
    r"""$-V W [\Phi \circ \mathrm{sym}(\hat P \hat Y^T)] W^T V^T$."""
    space, pairs, _ = explored
    P, Y = (ritz.coordinates(space, pairs, columns) for columns in (slope, targets))
    inner = divided_differences(pairs.values, lam) * (P @ Y.T + Y @ P.T) / 2
    return LowRank(-_lifted(explored, explored, inner), space.basis.T)


@jax.jit
def _factors_of_two(
    sloped: _Explored,
    fitted: _Explored,
    lam: Scalar | float,
    slope: Float[Array, "rows c"],
    targets: Float[Array, "rows c"],
) -> LowRank:
    r"""$-\mathrm{sym}(V_2 W_2 [\Phi \circ \hat P \hat Y^T] W_1^T V_1^T)$, 2 the slope's space."""
    P = ritz.coordinates(sloped.space, sloped.ritz, slope)
    Y = ritz.coordinates(fitted.space, fitted.ritz, targets)
    inner = divided_differences(sloped.ritz.values, lam, against=fitted.ritz.values) * (P @ Y.T)
    left = [_lifted(sloped, fitted, inner), _lifted(fitted, sloped, inner.T)]
    return LowRank(
        -jnp.concatenate(left, axis=1) / 2,
        jnp.concatenate([fitted.space.basis.T, sloped.space.basis.T], axis=1),
    )


def _lifted(
    first: _Explored, second: _Explored, inner: Float[Array, "capacity1 capacity2"]
) -> Float[Array, "rows capacity2"]:
    """V1 W1 inner W2^T: the factor that stands on the left of V2^T."""
    capacity = max(first.space.projected.shape[0], second.space.projected.shape[0])

    def lift(size: int, V: Array, W1: Array, inner: Array, W2: Array) -> Array:
        small = W1[:size, :size] @ inner[:size, :size] @ W2[:size, :size].T
        product = V[:size].T @ small
        return jnp.pad(product, ((0, 0), (0, len(W2) - product.shape[1])))

    filled = jnp.maximum(first.space.filled, second.space.filled)
    operands = first.space.basis, first.ritz.vectors, inner, second.ritz.vectors
    return krylov.at_size(filled, capacity, lift, *operands)
