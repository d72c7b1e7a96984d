"""A generator's weights on the driver, its gradient from the workers. Layer 6."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np

from ganntk import generation, synthesis
from ganntk.distributed.generator_worker import GeneratorWorker, generation_of
from ganntk.distributed.group import Handle
from ganntk.distributed.strategy import Strategy, each, together
from ganntk.distributed.worker import Finished, Prepared
from ganntk.generation import GeneratorState, Share
from ganntk.synthesis import StepReport

# The driver adds up to so many gradients; of more, workers add pairs first.
_DRIVER_ADDS = 8


class Training(Strategy):
    """Batches are dealt out to the workers; the driver averages, and takes one step of optax.

    Shares are added in a tree over the batches of a step, which is the same on any number of
    workers, and so are the sums, bit for bit.
    """

    worker = GeneratorWorker

    _state: GeneratorState

    def prepare(self) -> Prepared:
        """Load the data everywhere, draw the weights and choose lam on one worker."""
        group = self._group
        prepared = self.loaded()
        self._points = self._config.points.count or len(prepared.real)
        self._generation = generation_of(self._config, prepared.real.shape[1:])
        (self._state,) = group.get([group.submit(0, "start")])
        return replace(prepared, lam=float(self._state.lam))

    def advance(self, first: int, steps: int) -> StepReport:
        """Ask for all batches of a step, add their shares, move the weights."""
        reports = []
        for step in range(first, first + steps):
            total = self._total(step)
            with synthesis.numerics():
                moved, report = generation.updated(self._generation, self._state, total)
                self._state = jax.tree.map(np.asarray, moved)
            reports.append(jax.tree.map(np.asarray, report))
        report = each(reports, np.stack)
        synthesis.check_finite(first, report)
        synthesis.check_solved(first, report, np.dtype(self._config.precision))
        return report

    def points(self) -> np.ndarray:
        """The rows that the generator is shown by."""
        return np.concatenate(self._in_chunks("samples"))[: self._points]

    def snapshot(self) -> GeneratorState:
        """Weights, their optimiser, and lam."""
        return self._state

    def restore(self, snapshot: GeneratorState, new_ranks: tuple[int, ...]) -> None:
        """New workers need the data; the rest is the driver's."""
        self.load_again(new_ranks)
        self._state = jax.tree.map(np.asarray, snapshot)

    def finish(self) -> Finished:
        """Look at the rows in chunks of half a batch, beside real ones."""
        whole, m = together(self._in_chunks("look", float(self._state.lam))), self._points
        return replace(
            whole,
            points=whole.points[:m],
            d=whole.d[:m],
            nearest_real=whole.nearest_real[:m],
            nearest_distance=whole.nearest_distance[:m],
            nearest_ssim=whole.nearest_ssim[:m],
            worker=whole.worker[:m],
        )

    def _total(self, step: int) -> Share:
        """The sum of the shares of a step's batches."""
        group, lam = self._group, float(self._state.lam)
        weights = group.put(self._state.weights)
        shares = [
            group.submit(batch % group.size, "share", weights, lam, step, batch)
            for batch in range(self._generation.batches)
        ]
        while len(shares) > _DRIVER_ADDS:
            shares = self._paired(shares)
        rest = group.get(shares)
        with synthesis.numerics():
            while len(rest) > 1:
                pairs = zip(rest[::2], rest[1::2], strict=False)
                odd = rest[len(rest) // 2 * 2 :]
                rest = [generation.added(*pair) for pair in pairs] + odd
        return rest[0]

    def _paired(self, shares: list[Handle]) -> list[Handle]:
        """Add neighbours, each pair on the worker of its first."""
        size = self._group.size
        pairs = zip(shares[::2], shares[1::2], strict=False)
        added = [self._group.submit(i % size, "added", *pair) for i, pair in enumerate(pairs)]
        return added + shares[len(shares) // 2 * 2 :]

    def _in_chunks(self, method: str, *arguments: Any) -> list[Any]:
        """What workers say of the shown rows, chunk by chunk."""
        group = self._group
        chunks = -(-self._points // self._generation.half)
        weights = group.put(self._state.weights)
        return group.get(
            [
                group.submit(chunk % group.size, method, weights, *arguments, chunk)
                for chunk in range(chunks)
            ]
        )
