"""Workers that own whole sets of generated rows: nothing is exchanged between them. Layer 6."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float32, Int

from ganntk import batches, synthesis
from ganntk.config import RunConfig
from ganntk.coupling import Batchwise, sets_of
from ganntk.data import Source
from ganntk.distributed.device import OnDevice
from ganntk.distributed.drawn import DrawnFrom
from ganntk.distributed.shared import ALONE, Shared, data_key, gram_key, start_key
from ganntk.kernels import gram_of_moving
from ganntk.lam import Fixed
from ganntk.metrics import nearest, structural
from ganntk.stacked import elsewhere, with_gram
from ganntk.synthesis import Problem, StepReport, SynthesisState
from ganntk.typing import Rows


@dataclass(frozen=True)
class Prepared:
    """What a worker found before its first step.

    Attributes:
        data_name: where the real rows come from.
        data_fingerprint: of their content.
        real: all of them; of workers but the first, none.
        training: the rows that a person gave, from which the real ones were made; the same.
        lam: training time at the start.
        device: what the worker computes on.
        gram_real: how many real rows a Gram matrix holds: the objective is a sum over its rows.
    """

    data_name: str
    data_fingerprint: str
    real: Float32[np.ndarray, "n ..."]
    training: Float32[np.ndarray, "given ..."]
    lam: float
    device: str
    gram_real: int

    def of(self, rank: int) -> "Prepared":
        """What the worker of a rank says of it: the first one alone sends the rows."""
        return self if rank == 0 else replace(self, real=self.real[:0], training=self.training[:0])


@dataclass(frozen=True)
class Finished:
    """Generated rows at the end, what is known of each, and the objective and lam there."""

    points: Float32[np.ndarray, "m ..."]
    d: Float[np.ndarray, " m"]
    nearest_real: Int[np.ndarray, " m"]
    nearest_distance: Float[np.ndarray, " m"]
    nearest_ssim: Float[np.ndarray, " m"]
    worker: Int[np.ndarray, " m"]
    loss: float
    lam: float


def finished_of(
    source: Source,
    points: Float32[np.ndarray, "m ..."],
    d: Float[np.ndarray, " m"],
    training: Float32[np.ndarray, "given ..."],
    *,
    rank: int,
    loss: float,
    lam: float,
) -> Finished:
    """Look for the nearest real row of each generated one.

    Args:
        source: of the rows that a person gave; it says how both are seen.
        points: generated rows.
        d: the discriminator on each.
        training: the rows that a person gave.
        rank: of the worker that has the rows.
        loss: the objective.
        lam: training time.
    """
    points, training = source.shown(points), source.shown(training)
    found = nearest(points, training)
    has_ssim = points.ndim == 4 and min(points.shape[1:3]) >= structural.WINDOW
    ssim = structural.matched(points, training[found.index]) if has_ssim else np.nan
    return Finished(
        points=points,
        d=d,
        nearest_real=found.index,
        nearest_distance=found.distance,
        nearest_ssim=np.full(len(points), ssim, np.float32),
        worker=np.full(len(points), rank, np.int64),
        loss=loss,
        lam=lam,
    )


def problem_of(config: RunConfig) -> Problem:
    """The part of a run's configuration that the algorithm knows."""
    return Problem(
        kernel=config.kernel,
        objective=config.objective,
        optimizer=config.noise.around(config.optimizer.build(), config.seed),
        points=config.points,
        diagonal=config.diagonal,
        memory_bytes=config.memory_bytes,
        solver=config.solver,
        lam=config.lam,
        similarity=config.similarity,
    )


class Worker(OnDevice):
    """One device, and the sets of rows that are dealt to it; a plain object, with or without Ray.

    Every method returns NumPy arrays: a `jax.Array` would travel several times slower.
    """

    def __init__(self, config: RunConfig, rank: int = 0, shared: Shared = ALONE) -> None:
        self._config, self._rank, self._shared = config, rank, shared
        self._problem = problem_of(config)
        self._members = range(rank, sets_of(config.coupling), config.cluster.workers)
        self._states: list[SynthesisState] = []
        self._rows: Rows = jnp.zeros((0,))

    def prepare(self) -> Prepared:
        """Load the data, draw the first points of each set and choose its lam: their mean here."""
        config = self._config
        dataset = self._shared.value(data_key(config), config.data.load)
        self._training = dataset.training
        with synthesis.numerics():
            self._rows = jnp.asarray(dataset.rows, config.precision)
            gram_real = self._look_at_data()
            self._states = [self._first(member) for member in self._members]
        return Prepared(
            data_name=dataset.name,
            data_fingerprint=dataset.fingerprint,
            real=dataset.rows,
            training=dataset.training,
            lam=float(np.mean(self.lams())),
            device=self.device_name(),
            gram_real=gram_real,
        ).of(self._rank)

    def lams(self) -> list[float]:
        """The training time of each set, the mean over levels where there are several."""
        return [float(np.mean(np.asarray(state.lam))) for state in self._states]

    def advance(self, steps: int) -> list[StepReport]:
        """Take a block of steps on the device, for each set."""
        reports = []
        with synthesis.numerics():
            for i, (member, state) in enumerate(zip(self._members, self._states, strict=True)):
                self._states[i], report = self._advanced(member, state, steps)
                reports.append(jax.tree.map(np.asarray, report))
        return reports

    def points(self) -> list[Float32[np.ndarray, "m ..."]]:
        """The generated rows of each set as they are."""
        return [np.asarray(state.points, np.float32) for state in self._states]

    def snapshot(self) -> list[SynthesisState]:
        """The state of each set, as NumPy arrays."""
        return [jax.tree.map(np.asarray, state) for state in self._states]

    def restore(self, states: list[SynthesisState]) -> None:
        """Go on from the states of this worker's sets."""
        with synthesis.numerics():
            self._states = [jax.tree.map(jnp.asarray, state) for state in states]

    def finish(self) -> list[Finished]:
        """Look at the generated rows of each set once more."""
        found = []
        for member, state in zip(self._members, self._states, strict=True):
            with synthesis.numerics():
                loss, d = self._looked(member, state)
            points = np.asarray(state.points, np.float32)
            found.append(
                finished_of(
                    self._config.data,
                    points,
                    np.asarray(d),
                    self._training,
                    rank=self._rank,
                    loss=float(loss),
                    lam=float(np.mean(np.asarray(state.lam))),
                )
            )
        return found

    def d_elsewhere(self, others: Rows) -> float | None:
        """Mean D of the first set at rows that the run does not learn from."""
        if not self._states:
            return None
        with synthesis.numerics():
            z, others = self._states[0].points, jnp.asarray(others, self._rows.dtype)
            block = gram_of_moving(
                self._problem.kernel, z, self._rows, memory_bytes=self._problem.memory_bytes
            )
            found = elsewhere(self._problem, self._real, z, block, self._states[0].lam, others)
            return None if found is None else float(found.mean())

    # What a set's step is: here, one Gram matrix of all its rows.

    def _look_at_data(self) -> int:
        """Compute what all sets share; the number of real rows in a Gram matrix."""
        problem, x = self._problem, self._rows
        K = self._shared.value(
            gram_key(self._config), lambda: np.asarray(synthesis.gram_of_real(problem, x))
        )
        self._real = with_gram(problem, x, jnp.asarray(K))
        return len(x)

    def _first(self, member: int) -> SynthesisState:
        config, problem, real = self._config, self._problem, self._real
        points = synthesis.first_points(problem, real.rows, seed=config.seed, member=member)
        spectrum = None
        if not isinstance(config.lam, Fixed):
            spectrum = self._shared.value(
                start_key(config, member),
                lambda: jax.tree.map(np.asarray, synthesis.first_spectrum(problem, real, points)),
            )
        lam = synthesis.first_lam(problem, real, points, spectrum)
        return synthesis.start(problem, points, lam, member=member)

    def _advanced(
        self, member: int, state: SynthesisState, steps: int
    ) -> tuple[SynthesisState, StepReport]:
        longest = self._config.report_every
        return synthesis.advance(self._problem, self._real, state, steps=steps, longest=longest)

    def _looked(self, member: int, state: SynthesisState) -> tuple[Any, Any]:
        """The objective of a set, and D on its generated rows."""
        last = synthesis.evaluate(self._problem, self._real, state.points, state.lam)
        return last.loss, last.predictions[len(self._rows) :]


class BatchWorker(Worker):
    """The same with small random batches that share a Gram matrix."""

    def _look_at_data(self) -> int:
        coupling = self._config.coupling
        assert isinstance(coupling, Batchwise)
        self._batched = batches.BatchProblem(self._problem, coupling.batch // 2)
        self._drawn_from = DrawnFrom(self._config.data, self._rows, self._config.precision)
        return self._batched.half

    def advance(self, steps: int) -> list[StepReport]:
        """Take a block of steps, in pieces within which the real rows are the same."""
        pieces: list[list[StepReport]] = []
        while steps and self._states:
            until = self._config.data.rows_until(int(self._states[0].step)) or steps
            pieces.append(super().advance(min(until, steps)))
            steps -= min(until, steps)
        return [
            jax.tree.map(lambda *reports: np.concatenate(reports), *of_a_set)
            for of_a_set in zip(*pieces, strict=True)
        ]

    def _first(self, member: int) -> SynthesisState:
        return batches.init(self._batched, self._rows, seed=self._config.seed, member=member)

    def _advanced(
        self, member: int, state: SynthesisState, steps: int
    ) -> tuple[SynthesisState, StepReport]:
        longest = self._config.report_every
        key = batches.batch_key(self._config.seed, member)
        x = self._drawn_from.at(int(state.step))
        return batches.advance(self._batched, x, key, state, steps=steps, longest=longest)

    def _looked(self, member: int, state: SynthesisState) -> tuple[Any, Any]:
        key = batches.batch_key(self._config.seed, member)
        return batches.look(self._batched, self._drawn_from.at(int(state.step)), key, state)
