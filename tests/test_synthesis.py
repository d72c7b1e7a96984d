"""One device: the gradient of the generated rows, and runs that are what they should be."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ganntk import discriminator, synthesis
from ganntk.data import Mixture, mixture_modes
from ganntk.errors import InputError, NonFiniteObjectiveError
from ganntk.generators import Points
from ganntk.kernels import Conv, Dense, Flatten, Kernel, Network, Relu, gram, named
from ganntk.lam import Fixed, Searched
from ganntk.metrics import mode_statistics
from ganntk.objectives import CrossEntropy, Objective, SquaredError
from ganntk.synthesis import Problem
from tests.reference import exponentials
from tests.reference.twins import stax_twin

DENSE = Network((Flatten(), Dense(), Relu(), Dense()))
CONVOLUTION = Network((Conv((2, 2), (1, 2)), Relu(), Flatten(), Dense()))
SHAPES = {DENSE: (3,), CONVOLUTION: (3, 4, 1)}
OBJECTIVES = {"squared_error": SquaredError(), "cross_entropy": CrossEntropy()}


def rows(kernel: Kernel, count: int, *, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).uniform(size=(count, *SHAPES[kernel])))


def problem(
    kernel: Kernel = DENSE,
    *,
    objective: Objective = OBJECTIVES["squared_error"],
    optimizer: optax.GradientTransformation | None = None,
    points: Points | None = None,
    diagonal: float = 0.0,
    solver: discriminator.Solver = "auto",
) -> Problem:
    return Problem(
        kernel,
        objective,
        optimizer or optax.sgd(0.01),
        points or Points(),
        diagonal=diagonal,
        solver=solver,
    )


@functools.partial(jax.jit, static_argnums=0)
def loss_and_gradient(problem: Problem, x: jax.Array, z: jax.Array, lam: float):
    """What a step computes, from rows."""
    real = synthesis.Real(x, gram(problem.kernel, x))
    found = synthesis.evaluate(problem, real, z, lam)
    return found.loss, synthesis.gradient(problem, real, z, found.cotangent)


@functools.partial(jax.jit, static_argnums=(0, 1), static_argnames="diagonal")
def autodiff(k, objective: str, x: jax.Array, z: jax.Array, lam: float, *, diagonal: float = 0.0):
    """The same by reverse-mode differentiation of everything: kernel, assembly, expm, loss."""

    def loss(z: jax.Array) -> jax.Array:
        stacked = jnp.concatenate([x, z])
        y = discriminator.labels(len(x), len(z))
        return exponentials.loss(k(stacked, stacked), y, lam, diagonal, objective=objective)

    return jax.value_and_grad(loss)(z)


@pytest.mark.usefixtures("float64", "quick_compile")
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(
    ("kernel", "real", "points", "diagonal"),
    [(DENSE, 4, 4, 0.0), (DENSE, 5, 2, 0.0), (DENSE, 2, 5, 1e-2), (CONVOLUTION, 4, 3, 0.0)],
    ids=["as many points", "fewer points", "more points, regularised", "convolution"],
)
def test_the_gradient_is_that_of_full_autodiff(kernel, real, points, diagonal, objective):
    x, z = rows(kernel, real), rows(kernel, points, seed=1)
    given = problem(kernel, objective=OBJECTIVES[objective], diagonal=diagonal)
    for lam in (1.0, 30.0):
        loss, gradient = loss_and_gradient(given, x, z, lam)
        wanted_loss, wanted = autodiff(kernel, objective, x, z, lam, diagonal=diagonal)
        np.testing.assert_allclose(loss, wanted_loss, rtol=1e-11)
        np.testing.assert_allclose(gradient, wanted, rtol=1e-10, atol=1e-11)


@pytest.mark.usefixtures("float64", "quick_compile")
def test_the_gradient_is_that_of_autodiff_through_neural_tangents():
    x, z = rows(DENSE, 4), rows(DENSE, 3, seed=1)
    _, gradient = loss_and_gradient(problem(), x, z, 5.12)
    _, wanted = autodiff(stax_twin(DENSE), "squared_error", x, z, 5.12)
    # neural-tangents' kernel of a row with itself goes through arccos: 1e-8 of it is lost.
    np.testing.assert_allclose(gradient, wanted, rtol=1e-6, atol=1e-7)


@pytest.mark.usefixtures("float64", "quick_compile")
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_gradient_is_that_of_finite_differences(objective):
    x, z = rows(DENSE, 4), rows(DENSE, 3, seed=1)
    given, step = problem(objective=OBJECTIVES[objective]), 1e-5
    direction = rows(DENSE, 3, seed=2) - 0.5
    _, gradient = loss_and_gradient(given, x, z, 5.12)
    ahead, behind = (
        float(loss_and_gradient(given, x, z + sign * step * direction, 5.12)[0]) for sign in (1, -1)
    )
    slope = (ahead - behind) / (2 * step)
    assert float(jnp.sum(gradient * direction)) == pytest.approx(slope, rel=1e-7)


@pytest.mark.usefixtures("float64", "quick_compile")
def test_an_untrained_discriminator_moves_nothing():
    _, gradient = loss_and_gradient(problem(), rows(DENSE, 4), rows(DENSE, 3, seed=1), 0.0)
    assert not np.any(gradient)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_float32_is_finite_where_points_lie_on_real_rows_and_on_one_another(objective):
    x = rows(DENSE, 4).astype(jnp.float32)
    z = jnp.concatenate([x[:3], x[:1], x[:1]])
    given = problem(objective=OBJECTIVES[objective], diagonal=1e-5)
    loss, gradient = loss_and_gradient(given, x, z, 5.12)
    assert gradient.dtype == jnp.float32
    assert np.all(np.isfinite(gradient))
    assert np.isfinite(float(loss))


@pytest.mark.usefixtures("float64", "quick_compile")
@pytest.mark.parametrize(("dimming", "value"), [(1.0, 0.2500), (0.618, 0.1910), (0.5, 0.2000)])
def test_the_golden_ratio_is_dimmer_than_the_data_and_better(dimming, value):
    # Large lam, homogeneous kernel: (1 - sin 2t + sin^2 t)/2 is least at tan t = 0.618. K is
    # singular; lam stays where the rounding of its null space, 1e-9, does not count.
    kernel = named("fnn", bias_variance=0.0)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(6, 8)))
    stacked = jnp.concatenate([x, dimming * x])
    K = jax.jit(functools.partial(gram, kernel))(stacked)
    assert float(jnp.linalg.eigvalsh(K[:6, :6])[0]) > 1e-2
    found = discriminator.loss_and_cotangent(K, discriminator.labels(6, 6), 5e3)
    assert float(found.loss) / 6 == pytest.approx(value, abs=5e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("float64")
def test_every_mode_of_the_data_is_recovered_by_points_within_three_deviations():
    modes = mixture_modes(25)
    data = Mixture(modes=25, size=100, seed=1).load().rows
    # One unit of step for the mean over all 200 rows is 1/200 for the sum over them.
    given = problem(named("fnn"), optimizer=optax.sgd(1 / 200))
    real = synthesis.prepare(given, data)
    state = synthesis.init(dataclasses.replace(given, lam=Fixed(30.0)), real, seed=0)
    state, _ = synthesis.advance(given, real, state, steps=1000)
    found, of_data = (mode_statistics(np.asarray(p), *modes) for p in (state.points, data))
    assert of_data.modes_hit >= 24
    assert np.all(found.counts[of_data.counts > 0] > 0)
    assert found.within >= 0.95


def some_run(seed: int = 0, points: int | None = None):
    """A small problem ready to advance."""
    given = problem(optimizer=optax.adam(0.02), points=Points(count=points))
    real = synthesis.prepare(given, rows(DENSE, 5))
    return (
        given,
        real,
        synthesis.init(dataclasses.replace(given, lam=Searched(0.05)), real, seed=seed),
    )


def as_bytes(tree) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


@pytest.mark.usefixtures("float64", "quick_compile")
def test_blocks_of_any_length_give_the_same_result_to_the_bit():
    given, real, start = some_run()
    whole, reports = synthesis.advance(given, real, start, steps=20)
    first, early = synthesis.advance(given, real, start, steps=7, longest=20)
    second, late = synthesis.advance(given, real, first, steps=13, longest=20)
    assert as_bytes(second) == as_bytes(whole)
    joined = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), early, late)
    assert as_bytes(joined) == as_bytes(reports)
    assert int(second.step) == 20


@pytest.mark.usefixtures("float64", "quick_compile")
def test_the_same_seed_gives_the_same_result_to_the_bit_and_another_does_not():
    first, again, other = (
        synthesis.advance(*some_run(seed), steps=5, longest=20)[0] for seed in (3, 3, 4)
    )
    assert as_bytes(first) == as_bytes(again)
    assert not np.any(np.asarray(first.points) == np.asarray(other.points))


@pytest.mark.usefixtures("float64", "quick_compile")
def test_a_point_starts_at_the_same_place_whatever_the_number_of_points():
    few, many = (some_run(points=count)[2].points for count in (2, 9))
    np.testing.assert_array_equal(few, many[:2])


@pytest.mark.usefixtures("float64", "quick_compile")
def test_a_step_reports_what_it_found_and_moves_against_the_gradient():
    given = problem(optimizer=optax.sgd(0.01))
    real = synthesis.prepare(given, rows(DENSE, 4), precision="float64")
    start = synthesis.init(dataclasses.replace(given, lam=Fixed(5.12)), real, seed=0)
    moved, report = synthesis.advance(given, real, start, steps=1)
    loss, gradient = loss_and_gradient(given, real.rows, start.points, 5.12)
    np.testing.assert_allclose(report.loss[0], loss, rtol=1e-12)
    np.testing.assert_allclose(report.gradient_norm[0], jnp.linalg.norm(gradient), rtol=1e-12)
    wanted = jnp.clip(start.points - 0.01 * gradient, 0, 1)
    np.testing.assert_allclose(moved.points, wanted, rtol=1e-12)
    found = synthesis.evaluate(given, real, start.points, start.lam)
    np.testing.assert_allclose(report.d_real[0], jnp.mean(found.predictions[:4]), rtol=1e-12)
    np.testing.assert_allclose(report.d_points[0], jnp.mean(found.predictions[4:]), rtol=1e-12)
    limits = (float(report.eigenvalue_min[0]), float(report.eigenvalue_max[0]))
    assert limits == pytest.approx(tuple(float(found.eigenvalues[i]) for i in (0, -1)))


@pytest.mark.usefixtures("float64", "quick_compile")
def test_a_run_lowers_the_loss_inside_the_range():
    given, real, start = some_run()
    state, report = synthesis.advance(given, real, start, steps=20)
    assert float(report.loss[-1]) < 0.9 * float(report.loss[0])
    assert float(jnp.min(state.points)) >= 0
    assert float(jnp.max(state.points)) <= 1


@pytest.mark.usefixtures("float64", "quick_compile")
def test_lam_is_chosen_for_the_first_points_to_the_error_that_was_asked():
    given, real, start = some_run()
    found = synthesis.evaluate(given, real, start.points, start.lam)
    y = discriminator.labels(5, 5)
    assert float(jnp.mean((found.predictions - y) ** 2)) == pytest.approx(0.05, rel=1e-6)


@pytest.mark.usefixtures("float64", "quick_compile")
def test_the_precision_of_rows_is_the_callers_and_of_the_solver_float64():
    given = problem()
    for precision in ("float32", "float64"):
        real = synthesis.prepare(given, rows(DENSE, 4), precision=precision)
        state = synthesis.init(dataclasses.replace(given, lam=Fixed(1.0)), real, seed=0)
        assert state.points.dtype == real.rows.dtype == precision
        assert real.gram.dtype == state.lam.dtype == jnp.float64


@pytest.mark.usefixtures("float64", "quick_compile")
def test_a_non_finite_objective_stops_the_run_with_what_is_needed_to_see_why():
    # A range as wide as float32 and a step to its end: the next Gram matrix overflows.
    far = Points(low=-3e38, high=3e38)
    given = problem(optimizer=optax.sgd(1e30), points=dataclasses.replace(far, start="normal"))
    real = synthesis.prepare(given, rows(DENSE, 4))
    start = synthesis.init(dataclasses.replace(given, lam=Fixed(5.12)), real, seed=0)
    near = start._replace(points=jnp.full_like(start.points, 0.5))
    with pytest.raises(
        NonFiniteObjectiveError, match=r"step 1: loss .* at lam 5\.12 .*eigenvalues"
    ):
        synthesis.advance(given, real, near, steps=3)


@pytest.mark.usefixtures("float64", "quick_compile")
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_lanczos_takes_the_path_of_eigh(objective):
    ends = []
    for solver in ("eigh", "lanczos"):
        given = problem(
            DENSE,
            objective=OBJECTIVES[objective],
            points=Points(count=17),
            optimizer=optax.adam(0.02),
            diagonal=1e-3,
            solver=solver,
        )
        real = synthesis.prepare(given, rows(DENSE, 23), precision="float64")
        start = synthesis.init(dataclasses.replace(given, lam=Searched(1e-2)), real, seed=0)
        ends.append(synthesis.advance(given, real, start, steps=20))
    (exact, exact_report), (state, report) = ends
    np.testing.assert_allclose(state.lam, exact.lam, rtol=1e-8)
    np.testing.assert_allclose(state.points, exact.points, rtol=0, atol=1e-8)
    np.testing.assert_allclose(report.loss, exact_report.loss, rtol=1e-8)
    np.testing.assert_allclose(report.eigenvalue_max, exact_report.eigenvalue_max, rtol=1e-8)
    assert np.all(report.products > 0)
    assert np.all(report.residual <= 1e-10)
    assert not np.any(exact_report.products)
    assert not np.any(exact_report.residual)


@pytest.mark.usefixtures("float64", "quick_compile")
def test_lanczos_pulls_its_factors_back_as_eigh_its_matrix():
    x, z = rows(DENSE, 7), rows(DENSE, 4, seed=1)
    pulled = [
        loss_and_gradient(problem(DENSE, diagonal=1e-2, solver=solver), x, z, 5.12)[1]
        for solver in ("eigh", "lanczos")
    ]
    np.testing.assert_allclose(pulled[1], pulled[0], rtol=1e-9, atol=1e-11)


@pytest.mark.usefixtures("float64", "quick_compile")
def test_lanczos_keeps_float32_kernels_in_their_memory():
    given = problem(solver="lanczos")
    for precision in ("float32", "float64"):
        real = synthesis.prepare(given, rows(DENSE, 4), precision=precision)
        assert real.gram.dtype == precision
        state = synthesis.init(dataclasses.replace(given, lam=Fixed(1.0)), real, seed=0)
        found = synthesis.evaluate(given, real, state.points, state.lam)
        assert found.predictions.dtype == found.cotangent.left.dtype == jnp.float64


def test_many_rows_are_solved_by_lanczos_unless_said_otherwise():
    real = rows(DENSE, 600).astype(jnp.float32)
    half = problem(points=Points(count=424)), problem(points=Points(count=425))
    with jax.enable_x64(True):
        few, many = (synthesis.prepare(given, real) for given in half)
    assert few.gram.dtype == jnp.float64
    assert many.gram.dtype == jnp.float32


@pytest.mark.usefixtures("float64", "quick_compile")
def test_a_solver_that_ends_too_early_is_said_with_what_to_do(caplog, monkeypatch):
    given = problem(solver="lanczos")
    real = synthesis.prepare(given, rows(DENSE, 24), precision="float64")
    start = synthesis.init(dataclasses.replace(given, lam=Fixed(300.0)), real, seed=0)
    synthesis.advance(given, real, start, steps=2)
    assert not caplog.records
    short = functools.partial(discriminator.by_lanczos, most_products=8)
    monkeypatch.setattr(discriminator, "by_lanczos", short)
    jax.clear_caches()
    synthesis.advance(given, real, start, steps=3)
    jax.clear_caches()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "lanczos ended after 8 products with a residual of" in record.getMessage()
    assert "take a smaller lam, or solver eigh" in record.getMessage()


@pytest.mark.parametrize("steps", [0, -1, 6])
def test_a_block_of_no_steps_or_of_too_many_is_refused(steps):
    given = problem()
    real = synthesis.Real(jnp.ones((2, 3)), jnp.ones((2, 2)))
    with pytest.raises(InputError, match=f"a block of {steps} steps: expected between 1 and 5"):
        synthesis.advance(given, real, None, steps=steps, longest=5)  # type: ignore[arg-type]
