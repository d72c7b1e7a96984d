"""Warped rows: near their originals, none of them among them, the same again."""

import numpy as np
import pytest

from ganntk import config as configuration
from ganntk.cli.progress import Lines
from ganntk.data import Mixture
from ganntk.data.digits import Digits
from ganntk.data.warped import Warped, warped
from ganntk.distributed import run
from ganntk.errors import InputError
from ganntk.run_folder import RunFolder

FEW = Digits(size=10)


def test_each_image_has_its_copies_and_stays_out():
    given, found = FEW.load(), Warped(of=FEW, copies=3).load()
    assert found.rows.shape == (30, 8, 8, 1)
    np.testing.assert_array_equal(found.training, given.rows)
    np.testing.assert_array_equal(found.labels, np.tile(given.labels, 3))
    gaps = np.abs(found.rows[:, None] - given.rows).reshape(30, 10, -1).max(axis=2)
    assert gaps.min() > 0.01


def test_copies_lie_nearest_to_their_original():
    given, found = FEW.load(), Warped(of=FEW, copies=4, amplitude=0.1).load()
    gaps = ((found.rows[:, None] - given.rows) ** 2).reshape(40, 10, -1).sum(axis=2)
    np.testing.assert_array_equal(gaps.argmin(axis=1), np.tile(np.arange(10), 4))


def test_a_copy_does_not_depend_on_how_many_there_are():
    few, many = Warped(of=FEW, copies=1).load(), Warped(of=FEW, copies=2).load()
    np.testing.assert_array_equal(many.rows[:10], few.rows)
    assert few.fingerprint != many.fingerprint


def test_seeds_and_originals_change_the_fingerprint():
    made = [
        Warped(of=FEW),
        Warped(of=FEW, warp_seed=1),
        Warped(of=Digits(size=10, seed=1)),
    ]
    assert len({source.load().fingerprint for source in made}) == 3
    assert Warped(of=FEW).load().fingerprint == made[0].load().fingerprint


def test_the_displacement_has_its_size_and_is_smooth():
    # The image is its own coordinate: what a pixel shows is where it came from.
    ramp = np.linspace(0, 1, 101, dtype=np.float32)
    image = np.stack(np.meshgrid(ramp, ramp, indexing="ij"), axis=-1)
    found = warped(image, amplitude=2.0, smoothness=6.0, draws=np.random.default_rng(0))
    moves = 100 * (found - image)
    # At the border places outside are cut off.
    assert moves.std() == pytest.approx(2.0, rel=0.1)
    # A Gaussian of 6 pixels lets neighbours differ by 1 / (6 sqrt 2) of the deviation.
    steps = np.diff(moves[10:-10, 10:-10], axis=0).std()
    assert steps == pytest.approx(2.0 / (6 * np.sqrt(2)), rel=0.25)


def test_channels_move_together():
    grey = FEW.load().rows[0]
    colours = np.repeat(grey, 3, axis=-1)
    found = warped(colours, amplitude=1.0, smoothness=3.0, draws=np.random.default_rng(1))
    np.testing.assert_array_equal(found[..., 0], found[..., 2])


def test_a_run_keeps_the_originals_as_what_must_not_be_copied(tmp_path):
    uri = str(tmp_path / "run")
    raw = {
        "run_uri": uri,
        "data": {"type": "warped", "of": {"type": "digits", "size": 6}, "copies": 2},
        "kernel": {"type": "named", "name": "cnn-small"},
        "lam": {"type": "fixed", "value": 1.28},
        "steps": 3,
    }
    made = configuration.decode(raw)
    run(made, Lines())
    folder = RunFolder.open(uri)
    np.testing.assert_array_equal(folder.read_real(), Digits(size=6).load().rows)
    saved = folder.read_images()
    assert len(saved.rows) == 12
    assert saved.nearest_real.max() < 6
    assert configuration.load(f"{uri}/config.yaml") == made


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Warped(copies=0), "data.copies is 0"),
        (lambda: Warped(amplitude=0.0), "data.amplitude is 0.0"),
        (lambda: Warped(smoothness=float("inf")), "data.smoothness is inf"),
        (lambda: Warped(warp_seed=-1), "data.warp_seed is -1"),
        (lambda: Warped(of=Mixture(size=9)).load(), "warped takes images"),
    ],
)
def test_what_cannot_be_warped_is_refused(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()
