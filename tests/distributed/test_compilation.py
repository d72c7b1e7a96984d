"""What is compiled, is compiled in the first steps of a run: a later step only computes."""

import subprocess
import sys

import jax
import numpy as np
import pytest

from ganntk import config
from ganntk.distributed.choice import strategy_for
from ganntk.distributed.group import open_group
from ganntk.distributed.vectors import trimmed
from ganntk.typing import LowRank
from tests.distributed.test_strategy import COUPLINGS, EXACT
from tests.structure.sources import ROOT

pytestmark = pytest.mark.usefixtures("quick_compile")

_COMPILED = "/jax/core/compile/backend_compile_duration"


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_later_step_compiles_nothing(coupling, workers):
    words = [*EXACT, *COUPLINGS[coupling], "--solver", "lanczos", "--cluster.workers", workers]
    given = config.load(None, words)
    chosen, compiled = strategy_for(given), []

    def listen(name: str, _: float, **__: object) -> None:
        if name == _COMPILED:
            compiled.append(name)

    with open_group(chosen.worker, given) as group:
        strategy = chosen(group, given)
        strategy.prepare()
        strategy.advance(0, 1)
        strategy.advance(1, 1)
        jax.monitoring.register_event_duration_secs_listener(listen)
        try:
            strategy.advance(2, 1)
            strategy.advance(3, 1)
        finally:
            jax.monitoring.unregister_event_duration_listener(listen)
    assert compiled == []


def test_lapack_works_in_one_thread_and_as_before_afterwards():
    program = (
        "import jax.numpy as jnp, threadpoolctl\n"
        "from ganntk import synthesis\n"
        "def threads(): return [each['num_threads'] for each in threadpoolctl.threadpool_info()\n"
        "                       if each['user_api'] == 'blas']\n"
        "before = threads()\n"
        "with synthesis.numerics():\n"
        "    jnp.linalg.eigh(jnp.eye(4))\n"
        "    within = threads()\n"
        "assert len(within) >= len(before) > 0\n"
        "assert set(within) == {1}, within\n"
        "assert set(threads()) == set(before), (before, threads())\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=120)


@pytest.mark.parametrize("rank", range(13))
def test_workers_see_few_numbers_of_columns(rank):
    numbers = np.random.default_rng(rank)
    left, right = numbers.normal(size=(2, 5, 12))
    is_used = numbers.permutation(12) < rank
    factors = LowRank(left, np.where(is_used, right, 0))
    found = trimmed(factors)
    columns = found.left.shape[1]
    assert columns in (1, 2, 4, 8, 12)
    assert rank <= columns < 2 * max(rank, 1)
    expected = factors.left @ factors.right.T
    np.testing.assert_allclose(found.left @ found.right.T, expected, rtol=0, atol=1e-15)
