"""How a run's coupling is carried out: a pure choice, with its reason. Layer 6."""

import logging
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from ganntk import synthesis
from ganntk.config import RunConfig
from ganntk.coupling import Batchwise, Exact, Exchange, Generator
from ganntk.discriminator import solver_for
from ganntk.distributed.exact import GatheredRows
from ganntk.distributed.levels import LevelSets
from ganntk.distributed.sets import BatchedSets, Sets
from ganntk.distributed.shard_worker import Snapshot
from ganntk.distributed.strategy import Strategy
from ganntk.distributed.training import Training
from ganntk.distributed.vector_worker import VectorWorker
from ganntk.distributed.vectors import Vectors
from ganntk.distributed.worker import Finished, Prepared
from ganntk.shards import Shard
from ganntk.stacked import solver_dtype
from ganntk.synthesis import StepReport, SynthesisState

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Costs:
    """What moving things costs: a model, so that the choice is the same wherever a run goes on.

    A call and a worker cost about what `benchmarks/scaling.py` measures between processes of a
    quiet machine; the other defaults are of a network with 10 Gbit/s and of a data-centre GPU.

    Attributes:
        call_seconds: one call of all workers and their answers, without content.
        worker_seconds: what each worker adds to that.
        bytes_per_second: into one worker.
        solver_bytes_per_second: how fast one device reads a Gram matrix.
        products: of K that a solution takes, in calls of two.
        largest_gathered: bytes of a Gram matrix that the solving worker is asked to hold.
    """

    call_seconds: float = 2e-3
    worker_seconds: float = 2e-4
    bytes_per_second: float = 1e9
    solver_bytes_per_second: float = 5e11
    products: int = 15
    largest_gathered: float = 16e9


def exchange_for(
    real: int,
    points: int,
    config: RunConfig,
    costs: Costs = Costs(),
) -> tuple[Exchange, str]:
    """Whether rows of K or vectors travel in the exact coupling, and the reason.

    Args:
        real: real rows.
        points: generated rows.
        config: the run.
        costs: of the cluster.
    """
    workers, rows = config.cluster.workers, real + points
    if solver_for(config.solver, rows) == "eigh":
        return "rows", "eigh needs K in one place"
    item = 8 if config.precision == "float64" else 4
    held = rows * rows * item
    if held > costs.largest_gathered:
        return "vectors", f"K has {held / 1e9:.1f} GB, more than one device is asked to hold"
    call = costs.call_seconds + workers * costs.worker_seconds
    reading = costs.products * held / costs.solver_bytes_per_second
    gathered = 2 * call + points * rows * item / costs.bytes_per_second + reading
    # Two vectors of float64 there; all real rows and a share of the others from every worker.
    moved = (rows + real * workers + points) * 2 * 8
    one = call + moved / costs.bytes_per_second
    kept = costs.products * one + reading / workers
    chosen: Exchange = "rows" if gathered <= kept else "vectors"
    return chosen, f"expected {gathered * 1e3:.0f} ms a step by rows, {kept * 1e3:.0f} by vectors"


class SharedGram(Strategy):
    """The exact coupling on several workers; what travels is chosen when the data is known."""

    worker = VectorWorker

    _chosen: GatheredRows
    _taken = 0

    def prepare(self) -> Prepared:
        """Load, choose, start."""
        group, config = self._group, self._config
        prepared = self.loaded()
        assert isinstance(config.coupling, Exact)
        exchange, reason = config.coupling.exchange, "as configured"
        if exchange == "auto":
            real = len(prepared.real)
            exchange, reason = exchange_for(real, config.points.count or real, config)
        _log.info("%d workers exchange %s of the Gram matrix: %s", group.size, exchange, reason)
        self.exchange = exchange
        self._chosen = (Vectors if exchange == "vectors" else GatheredRows)(
            group, config, prepared.data_fingerprint
        )
        return self._chosen.start(prepared)

    def advance(self, first: int, steps: int) -> StepReport:
        """As chosen."""
        report = self._chosen.advance(first, steps)
        self._taken = first + steps
        return report

    def points(self) -> np.ndarray:
        """As chosen."""
        return self._chosen.points()

    def snapshot(self) -> list[SynthesisState]:
        """The state of the only set, as a single worker has it."""
        lam, (points, optimizer) = self._chosen.snapshot()
        with synthesis.numerics():
            step, lam = jnp.asarray(self._taken, jnp.int32), jnp.asarray(lam, solver_dtype())
        return [jax.tree.map(np.asarray, SynthesisState(step, points, optimizer, lam))]

    def restore(self, snapshot: list[SynthesisState], new_ranks: tuple[int, ...]) -> None:
        """Give each worker its rows."""
        (state,) = snapshot
        whole = Shard(state.points, state.optimizer)
        self._chosen.restore(Snapshot(float(state.lam), whole), new_ranks)
        self._taken = int(state.step)

    def d_elsewhere(self, others: np.ndarray) -> float | None:
        """As chosen."""
        return self._chosen.d_elsewhere(others)

    def finish(self) -> Finished:
        """As chosen."""
        return self._chosen.finish()


def strategy_for(config: RunConfig) -> type[Strategy]:
    """The strategy of a configuration."""
    coupling = config.coupling
    if config.levels:
        return LevelSets
    if isinstance(coupling, Generator):
        return Training
    if isinstance(coupling, Batchwise):
        return BatchedSets
    return SharedGram if isinstance(coupling, Exact) and config.cluster.workers > 1 else Sets
