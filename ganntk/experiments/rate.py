r"""The rate of Theorem 3.1, $\min_{j \le s} |\nabla L|^2 = O(1/s)$. Layer 7."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from ganntk import storage
from ganntk.config import RunConfig
from ganntk.distributed.driver import Progress, run
from ganntk.errors import InputError
from ganntk.experiments.base import Experiment, Findings
from ganntk.report import figures
from ganntk.run_folder import RunFolder

_COLUMNS = ("step size", "steps s", "loss", "least squared gradient", "s times it", "loss rises")


@Experiment.register("rate")
@dataclass(frozen=True)
class ConvergenceRate(Experiment):
    """Gradient descent with several step sizes, every step recorded.

    Attributes:
        step_sizes: learning rates of plain descent.
        marks: steps that are rows of the table.
    """

    step_sizes: tuple[float, ...] = (0.003, 0.03)
    marks: tuple[int, ...] = (10, 100, 1000)

    def measure(self, given: RunConfig, folder: str, progress: Progress) -> Findings:
        if given.report_every != 1 or given.optimizer.name != "sgd":
            raise InputError("the experiment rate needs report_every 1 and optimizer.name sgd")
        rows, lines = [], {}
        for size in self.step_sizes:
            squares, losses = _descended(given, folder, size, progress)
            steps = np.arange(1, len(squares) + 1)
            product = steps * np.minimum.accumulate(squares)
            lines[f"step size {size:g}"] = np.stack([steps, product], axis=1)
            for mark in (mark for mark in self.marks if mark <= len(squares)):
                rises = int(np.sum(np.diff(losses[:mark]) > 1e-9 * losses[0]))
                least = float(product[mark - 1] / mark)
                loss = float(losses[mark - 1])
                rows.append((size, mark, loss, least, float(product[mark - 1]), rises))
        figure = figures.lines(
            lines, across="steps s", up="s min |gradient|²", log_across=True, log_up=True
        )
        caption = "The theorem holds where a line stays below a constant."
        return Findings(_COLUMNS, tuple(rows), figure, caption)


def _descended(
    given: RunConfig, folder: str, size: float, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Squared gradient norms and losses of every step."""
    uri = storage.join(folder, "runs", f"step-{size:g}")
    optimizer = dataclasses.replace(given.optimizer, learning_rate=size)
    run(dataclasses.replace(given, run_uri=uri, optimizer=optimizer), progress)
    lines = [line for line in RunFolder.open(uri).read_metrics() if "gradient_norm" in line]
    squares = np.square([line["gradient_norm"] for line in lines])
    return squares, np.array([line["loss"] for line in lines])
