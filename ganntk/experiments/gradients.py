r"""Gradients of finite discriminators beside the infinite one's (Figs. 1 and 6). Layer 7.

Each discriminator is trained on real rows and noise for a time $\lambda$, and the norm of the
gradient that it gives one noise row is followed: $(1 - D(z))\,|\nabla D(z)|$ for a network that
the generator takes as fixed; $\sigma(f(z))\,|\nabla f(z)|$ where that is trained by the logistic
loss, in the first GAN's minimax game; and for GA-NTK the row of $dL/dZ$, through K in full.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from ganntk import discriminator, synthesis
from ganntk.config import RunConfig
from ganntk.discriminator import Spectrum
from ganntk.distributed.driver import Progress
from ganntk.distributed.worker import problem_of
from ganntk.errors import InputError
from ganntk.experiments import finite
from ganntk.experiments.base import Cell, Experiment, Findings
from ganntk.kernels import gram
from ganntk.kernels.layers import Layer
from ganntk.report import figures
from ganntk.stacked import Problem, Real
from ganntk.typing import Rows

_ROW = 0


@Experiment.register("gradients")
@dataclass(frozen=True)
class VanishingGradients(Experiment):
    r"""Networks of several widths, trained from one time to the next.

    Attributes:
        widths: features of each layer.
        most: the last $\lambda$.
        step_size: of the finite networks' gradient descent; below 2 over the largest eigenvalue.
        marks: how many times there are, evenly by their logarithm.
        is_logistic: whether each width is trained by the logistic loss as well.
    """

    widths: tuple[int, ...] = (16, 256)
    most: float = 50.0
    step_size: float = 0.01
    marks: int = 25
    is_logistic: bool = True

    def measure(self, given: RunConfig, folder: str, progress: Progress) -> Findings:
        network = getattr(given.kernel, "network", given.kernel)
        layers: Sequence[Layer] = getattr(network, "layers", ())
        if not layers:
            raise InputError("the experiment gradients needs a kernel that is a network's")
        x = jnp.asarray(given.data.load().rows)
        problem = problem_of(given)
        z = synthesis.first_points(problem, x, seed=given.seed)
        steps = np.unique(
            np.geomspace(1, self.most / self.step_size, self.marks).round().astype(int)
        )
        lams = self.step_size * steps
        progress.phase("the infinite network")
        lines, lam = _infinite(problem, x, z, lams)
        for width in self.widths:
            progress.phase(f"a network of width {width}")
            key = jax.random.fold_in(jax.random.key(given.seed), width)
            for name, is_logistic in [("", False), (", minimax", True)][: 1 + self.is_logistic]:
                norms = self._finite(layers, key, width, x, z, steps, is_logistic)
                lines[f"width {width}{name}"] = norms
        series = {name: np.stack([lams, norms], axis=1) for name, norms in lines.items()}
        up, across = "gradient norm", "lam, training time"
        figure = figures.lines(series, across=across, up=up, log_across=True, log_up=True, mark=lam)
        caption = (
            f"Norm of the gradient of one of {len(z)} noise rows beside {len(x)} real ones, while "
            f"the discriminator trains; the broken line is lam {lam:.3g}, which a run would take."
        )
        marks = [int(np.argmin(np.abs(np.log(lams / at)))) for at in sorted({*_decades(lams), lam})]
        rows: list[tuple[Cell, ...]] = [
            (name, *(float(norms[i]) for i in marks)) for name, norms in lines.items()
        ]
        columns = ("discriminator", *(f"lam {lams[i]:.3g}" for i in marks))
        return Findings(columns, tuple(rows), figure, caption)

    def _finite(
        self,
        layers: Sequence[Layer],
        key: jax.Array,
        width: int,
        x: Rows,
        z: Rows,
        steps: np.ndarray,
        is_logistic: bool,
    ) -> np.ndarray:
        first = finite.start(layers, key, x.shape[1:], width)
        both = jnp.concatenate([x, z])
        y = discriminator.labels(len(x), len(z), both.dtype)
        step = jax.jit(
            lambda parameters: finite.stepped(
                layers, first, parameters, both, y, self.step_size, is_logistic=is_logistic
            )
        )

        @jax.jit
        def norm(parameters: finite.Parameters) -> jax.Array:
            def loss(row: Rows) -> jax.Array:
                one = row[None]
                d = finite.output(layers, parameters, one) - finite.output(layers, first, one)
                # The generator lowers log(1 - sigmoid(f)) = -softplus(f).
                return jnp.sum(-jax.nn.softplus(d) if is_logistic else jnp.square(1 - d) / 2)

            return jnp.linalg.norm(jax.grad(loss)(z[_ROW]))

        parameters, norms = first, []
        for count in np.diff(steps, prepend=0):
            parameters = finite.trained(step, layers, parameters, int(count))
            norms.append(float(norm(parameters)))
        return np.array(norms)


def _decades(lams: np.ndarray) -> list[float]:
    low, high = np.log10(lams[0]), np.log10(lams[-1])
    return [10.0**power for power in range(round(low), int(np.floor(high)) + 1)] + [float(lams[-1])]


def _infinite(
    problem: Problem, x: Rows, z: Rows, lams: np.ndarray
) -> tuple[dict[str, np.ndarray], float]:
    """The infinite network as a fixed discriminator, and GA-NTK, in float64; the lam of a run."""
    with synthesis.numerics():
        x, z = jnp.asarray(x, jnp.float64), jnp.asarray(z, jnp.float64)
        real, both = Real(x, gram(problem.kernel, x)), jnp.concatenate([x, z])
        y = discriminator.labels(len(x), len(z), jnp.float64)
        kappa, vectors = jnp.linalg.eigh(gram(problem.kernel, both))

        @jax.jit
        def slope_of(alpha: jax.Array) -> jax.Array:
            def loss(row: Rows) -> jax.Array:
                d = problem.kernel(row[None], both) @ alpha
                return jnp.sum(jnp.square(1 - d)) / 2

            return jnp.linalg.norm(jax.grad(loss)(z[_ROW]))

        def fixed(lam: float) -> float:
            # (I - exp(-lam K)) K^-1 y, where the quotient is lam for an eigenvalue of 0.
            small = kappa * lam < 1e-12
            quotient = jnp.where(small, lam, -jnp.expm1(-lam * kappa) / jnp.where(small, 1, kappa))
            return float(slope_of(vectors @ (quotient * (vectors.T @ y))))

        def through_gram(lam: float) -> float:
            found = synthesis.evaluate(problem, real, z, jnp.asarray(lam))
            slope = synthesis.gradient(problem, real, z, found.cotangent)
            return float(jnp.linalg.norm(slope[_ROW]))

        lines = {
            "GA-NTK": np.array([through_gram(float(lam)) for lam in lams]),
            "infinite, fixed": np.array([fixed(float(lam)) for lam in lams]),
        }
        return lines, problem.lam.choose(Spectrum(kappa, vectors), y)
