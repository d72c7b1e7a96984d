"""Workers that keep their rows of one Gram matrix, and multiply vectors with them. Layer 6."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ganntk import shards, synthesis
from ganntk.distributed.shard_worker import Cut, ShardWorker, rows_of
from ganntk.shards import Held
from ganntk.typing import LowRank


class Part(NamedTuple):
    """What one worker adds to a product of K: to all real rows, and all of its own points'."""

    real: Float[np.ndarray, "n width"]
    points: Float[np.ndarray, "m_r width"]


class VectorWorker(ShardWorker):
    """The same rows as a `ShardWorker`; of K, only products with vectors leave it."""

    def keep_share(self) -> float:
        """Keep this worker's rows of K(X, X), once per run; their part of the trace."""
        own = self._own_real()
        with synthesis.numerics():
            self._among = jnp.asarray(self.share_of_gram())
            return float(jnp.trace(self._among[:, own].astype(jnp.float64)))

    def keep_rows(self, *cuts: Cut) -> float:
        """Keep this worker's rows of K for everybody's points; their part of the trace."""
        with synthesis.numerics():
            z = jnp.concatenate([jnp.asarray(cut) for cut in cuts])
            self._rows = shards.fill(self._problem, self._own().points, z, self._x)
            own = shards.share(len(z), self._workers, self._rank)
            return float(jnp.trace(self._rows[:, own].astype(jnp.float64)))

    def multiply(self, v: Float[np.ndarray, "rows width"]) -> Part:
        """This worker's part of K v, with real rows before points."""
        n = len(self._x)
        own = shards.share(len(v) - n, self._workers, self._rank)
        with synthesis.numerics():
            held = Held(self._among, self._rows)
            found = shards.multiplied(held, v, self._own_real().start, own.start)
            return Part(*jax.tree.map(np.asarray, found))

    def move_along(self, cotangent: LowRank, *cuts: Cut) -> float:
        """Move this worker's rows by the factors of all points' rows of G."""
        own = shards.share(len(cotangent.left), self._workers, self._rank)
        cut = rows_of(cotangent, own)
        return self.move([cut] * self._workers, *cuts)

    def _own_real(self) -> slice:
        return shards.share(len(self._x), self._workers, self._rank)
