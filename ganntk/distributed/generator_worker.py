"""Workers that compute batches of a generator's gradient: nothing of the run is theirs. Layer 6."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32

from ganntk import batches, generation, synthesis
from ganntk.config import RunConfig
from ganntk.coupling import Generator
from ganntk.distributed.device import OnDevice
from ganntk.distributed.drawn import DrawnFrom
from ganntk.distributed.shared import ALONE, Shared, data_key
from ganntk.distributed.worker import Finished, Prepared, finished_of, problem_of
from ganntk.generation import Generation, GeneratorState, Share
from ganntk.generators.network import Weights


def generation_of(config: RunConfig, row_shape: tuple[int, ...]) -> Generation:
    """The part of a run's configuration that the training of a generator knows."""
    coupling = config.coupling
    assert isinstance(coupling, Generator)
    return Generation(
        problem=batches.sized(problem_of(config), coupling.batch // 2),
        network=coupling.network,
        batches=coupling.batches,
        row_shape=row_shape,
        seed=config.seed,
    )


class GeneratorWorker(OnDevice):
    """One device that answers for batches; a plain object, with or without Ray."""

    def __init__(self, config: RunConfig, rank: int = 0, shared: Shared = ALONE) -> None:
        self._config, self._rank, self._shared = config, rank, shared

    def prepare(self) -> Prepared:
        """Load the data."""
        dataset = self._shared.value(data_key(self._config), self._config.data.load)
        self._training = dataset.training
        self._generation = generation_of(self._config, dataset.rows.shape[1:])
        with synthesis.numerics():
            self._real = DrawnFrom(self._config.data, dataset.rows, self._config.precision)
        return Prepared(
            data_name=dataset.name,
            data_fingerprint=dataset.fingerprint,
            real=dataset.rows,
            training=dataset.training,
            lam=0.0,
            device=self.device_name(),
            gram_real=self._generation.half,
        ).of(self._rank)

    def start(self) -> GeneratorState:
        """The first weights, and lam for the first batch."""
        with synthesis.numerics():
            return jax.tree.map(np.asarray, generation.init(self._generation, self._real.at(0)))

    def share(self, weights: Weights, lam: float, step: int, batch: int) -> Share:
        """What one batch of a step gives."""
        with synthesis.numerics():
            found = generation.share(
                self._generation, self._real.at(step), weights, jnp.asarray(lam), step, batch
            )
            return jax.tree.map(np.asarray, found)

    def added(self, first: Share, second: Share) -> Share:
        """Two shares as one."""
        with synthesis.numerics():
            return jax.tree.map(np.asarray, generation.added(first, second))

    def samples(self, weights: Weights, chunk: int) -> Float32[np.ndarray, "half ..."]:
        """Some of the rows that the generator is shown by; chunks are as large as half a batch."""
        half = self._generation.half
        with synthesis.numerics():
            rows = generation.samples(self._generation, weights, chunk * half, half)
            return np.asarray(rows, np.float32)

    def look(self, weights: Weights, lam: float, chunk: int) -> Finished:
        """The same rows, and what is known of each."""
        half = self._generation.half
        with synthesis.numerics():
            rows = generation.samples(self._generation, weights, chunk * half, half)
            loss, d = generation.look(
                self._generation, self._real.at(0), rows, jnp.asarray(lam), jnp.asarray(chunk)
            )
        points = np.asarray(rows, np.float32)
        return finished_of(
            self._config.data,
            points,
            np.asarray(d),
            self._training,
            rank=self._rank,
            loss=float(loss),
            lam=lam,
        )
