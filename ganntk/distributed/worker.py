"""Workers that own whole sets of generated rows: nothing is exchanged between them. Layer 6."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float32, Int

from ganntk import synthesis
from ganntk.config import RunConfig
from ganntk.coupling import Independent
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
    """Generated rows at the end, and what is known of each."""

    points: Float32[np.ndarray, "m ..."]
    d: Float[np.ndarray, " m"]
    nearest_real: Int[np.ndarray, " m"]
    nearest_distance: Float[np.ndarray, " m"]
    loss: float


def problem_of(config: RunConfig) -> Problem:
    """The part of a run's configuration that the algorithm knows."""
    return Problem(
        kernel=config.kernel,
        objective=config.objective,
        optimizer=config.optimizer.build(),
        points=config.points,
        diagonal=config.diagonal,
        memory_bytes=config.memory_bytes,
        solver=config.solver,
    )


def device_name() -> str:
    """The device that this worker computes on."""
    device = jax.devices()[0]
    return f"{device.platform}: {device.device_kind}"


class Worker:
    """One device, and the sets of rows that are dealt to it; a plain object, with or without Ray.

    Every method returns NumPy arrays: a `jax.Array` would travel several times slower.
    """

    def __init__(self, config: RunConfig, rank: int = 0) -> None:
        self._config = config
        self._problem = problem_of(config)
        coupling = config.coupling
        sets = coupling.sets if isinstance(coupling, Independent) else 1
        self._members = range(rank, sets, config.cluster.workers)
        self._real: Real | None = None
        self._states: list[SynthesisState] = []

    def ping(self) -> bool:
        """Answer."""
        return True

    def prepare(self) -> Prepared:
        """Load the data, compute K(X, X), draw the first points and choose lam."""
        config = self._config
        dataset = config.data.load()
        with synthesis.numerics():
            self._real = synthesis.prepare(
                self._problem, jnp.asarray(dataset.rows), precision=config.precision
            )
            self._states = [
                synthesis.init(
                    self._problem, self._real, config.lam, seed=config.seed, member=member
                )
                for member in self._members
            ]
        return Prepared(
            data_name=dataset.name,
            data_fingerprint=dataset.fingerprint,
            real=dataset.rows,
            lam=float(np.mean([float(state.lam) for state in self._states])),
            device=device_name(),
        )

    def advance(self, steps: int) -> list[StepReport]:
        """Take a block of steps on the device, for each set."""
        real, reports = self._prepared(), []
        longest = self._config.report_every
        with synthesis.numerics():
            for i, state in enumerate(self._states):
                self._states[i], report = synthesis.advance(
                    self._problem, real, state, steps=steps, longest=longest
                )
                reports.append(jax.tree.map(np.asarray, report))
        return reports

    def points(self) -> list[Float32[np.ndarray, "m ..."]]:
        """The generated rows of each set as they are."""
        return [np.asarray(state.points, np.float32) for state in self._states]

    def snapshot(self) -> list[SynthesisState]:
        """The state of each set, as NumPy arrays."""
        return [jax.tree.map(np.asarray, state) for state in self._states]

    def restore(self, states: list[SynthesisState]) -> None:
        """Go on from a snapshot."""
        with synthesis.numerics():
            self._states = [jax.tree.map(jnp.asarray, state) for state in states]

    def finish(self) -> list[Finished]:
        """Look at the generated rows of each set once more."""
        real = self._prepared()
        found = []
        for state, points in zip(self._states, self.points(), strict=True):
            with synthesis.numerics():
                last = synthesis.evaluate(self._problem, real, state.points, state.lam)
            neighbours = nearest(points, np.asarray(real.rows, np.float32))
            found.append(
                Finished(
                    points=points,
                    d=np.asarray(last.predictions[len(real.rows) :]),
                    nearest_real=neighbours.index,
                    nearest_distance=neighbours.distance,
                    loss=float(last.loss),
                )
            )
        return found

    def _prepared(self) -> Real:
        if self._real is None:
            raise RuntimeError("a worker's first call is prepare()")
        return self._real
