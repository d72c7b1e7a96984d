"""A worker: owns a device, the real rows and generated rows, and takes steps. Layer 6."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float32, Int

from ganntk import synthesis
from ganntk.config import RunConfig
from ganntk.metrics import nearest
from ganntk.synthesis import Problem, Real, StepReport, SynthesisState


@dataclass(frozen=True)
class Prepared:
    """What a worker found before its first step."""

    data_name: str
    data_fingerprint: str
    real: Float32[np.ndarray, "n ..."]
    lam: float
    device: str


@dataclass(frozen=True)
class Finished:
    """The generated rows at the end, and what is known of each."""

    points: Float32[np.ndarray, "m ..."]
    d: Float[np.ndarray, " m"]
    nearest_real: Int[np.ndarray, " m"]
    nearest_distance: Float[np.ndarray, " m"]
    loss: float


class Worker:
    """One device's share of a run; a plain object, so that it runs with and without Ray.

    Every method returns NumPy arrays: a `jax.Array` would travel several times slower.
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._problem = Problem(
            kernel=config.kernel,
            objective=config.objective,
            optimizer=config.optimizer.build(),
            points=config.points,
            diagonal=config.diagonal,
            memory_bytes=config.memory_bytes,
            solver=config.solver,
        )
        self._real: Real | None = None
        self._state: SynthesisState | None = None

    def prepare(self) -> Prepared:
        """Load the data, compute K(X, X), draw the first points and choose lam."""
        config = self._config
        dataset = config.data.load()
        with synthesis.numerics():
            self._real = synthesis.prepare(
                self._problem, jnp.asarray(dataset.rows), precision=config.precision
            )
            self._state = synthesis.init(self._problem, self._real, config.lam, seed=config.seed)
        device = jax.devices()[0]
        return Prepared(
            data_name=dataset.name,
            data_fingerprint=dataset.fingerprint,
            real=dataset.rows,
            lam=float(self._state.lam),
            device=f"{device.platform}: {device.device_kind}",
        )

    def advance(self, steps: int) -> StepReport:
        """Take a block of steps on the device."""
        with synthesis.numerics():
            self._state, report = synthesis.advance(
                self._problem, *self._prepared(), steps=steps, longest=self._config.report_every
            )
            return jax.tree.map(np.asarray, report)

    def points(self) -> Float32[np.ndarray, "m ..."]:
        """The generated rows as they are."""
        _, state = self._prepared()
        return np.asarray(state.points, np.float32)

    def finish(self) -> Finished:
        """Look at the generated rows once more."""
        real, state = self._prepared()
        with synthesis.numerics():
            last = synthesis.evaluate(self._problem, real, state.points, state.lam)
        points = self.points()
        found = nearest(points, np.asarray(real.rows, np.float32))
        return Finished(
            points=points,
            d=np.asarray(last.predictions[len(real.rows) :]),
            nearest_real=found.index,
            nearest_distance=found.distance,
            loss=float(last.loss),
        )

    def _prepared(self) -> tuple[Real, SynthesisState]:
        if self._real is None or self._state is None:
            raise RuntimeError("a worker's first call is prepare()")
        return self._real, self._state
