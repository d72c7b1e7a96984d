"""The discriminator at rows that it was not trained on, against training it step by step."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg

from ganntk import discriminator
from tests.reference.grams import gram_of, some_rows, twice

pytestmark = pytest.mark.usefixtures("float64", "quick_compile")

LAMS = (0.3, 30.0, 3000.0)


def _whole(rows, lam):
    K = gram_of(rows)
    return K, discriminator.labels(len(K) // 2, len(K) - len(K) // 2, K.dtype), lam


@pytest.mark.parametrize("lam", LAMS)
def test_at_the_training_rows_it_is_the_discriminator(lam):
    K, y, lam = _whole(some_rows(10), lam)
    found = discriminator.predict_elsewhere(discriminator.spectrum(K), y, lam, K)
    np.testing.assert_allclose(found, discriminator.predict(K, y, lam), atol=1e-11)


@pytest.mark.parametrize("lam", LAMS)
def test_elsewhere_it_is_gradient_flow_followed_in_time(lam):
    # df(x)/dt = k(x, .) (y - f) with y - f = exp(-t K) y on the training rows.
    rows = some_rows(14)
    K, block = (np.asarray(part) for part in jnp.split(gram_of(rows)[:, :10], [10]))
    y = np.asarray(discriminator.labels(5, 5, K.dtype))
    expected, _ = scipy.integrate.quad_vec(
        lambda t: block @ scipy.linalg.expm(-t * K) @ y, 0, lam, epsabs=1e-10, limit=400
    )
    eigen = discriminator.spectrum(jnp.asarray(K))
    found = discriminator.predict_elsewhere(eigen, jnp.asarray(y), lam, jnp.asarray(block))
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


def test_eigenvalues_of_zero_divide_nothing():
    K, y, lam = _whole(twice(some_rows(5)), 30.0)
    found = discriminator.predict_elsewhere(discriminator.spectrum(K), y, lam, K)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, discriminator.predict(K, y, lam), atol=1e-11)
