"""The tables of an evaluation say what is true of sets made to be told apart."""

import json

import numpy as np
import pytest

from ganntk.data import mixture_modes
from ganntk.data.located import source_of
from ganntk.errors import InputError
from ganntk.evaluation import Protocol, Quality, choose, measure, text_of
from ganntk.evaluation.fidelity import fidelity, reference_of
from ganntk.evaluation.quality import from_json
from ganntk.features import open_extractor
from ganntk.metrics import frechet, kernel_distance, manifold, transport


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    return source_of("digits").load().rows


def measured(generated: np.ndarray, digits: np.ndarray) -> Quality:
    sets = choose(generated, digits[:64], digits, None, noise=0.1, seed=0)
    extractors = [open_extractor(uri) for uri in ("random", "pixels")]
    return measure(sets, Protocol(extractors), name="digits")


@pytest.fixture(scope="module")
def copies(digits) -> Quality:
    return measured(digits[:64], digits)


@pytest.fixture(scope="module")
def fresh(digits) -> Quality:
    return measured(digits[64:128], np.concatenate([digits[:64], digits[128:]]))


def value(quality: Quality, table: int, line: str, name: str) -> float:
    (found,) = (each for each in quality.tables[table].sets if each.name == line)
    return found.numbers[name].value


def test_copies_are_called_copies_in_every_table(copies):
    assert value(copies, 0, "generated", "am_ssim") == pytest.approx(1, abs=1e-6)
    for table in range(3):
        assert value(copies, table, "generated", "memorisation") == 1


def test_fresh_rows_are_not_called_copies(fresh):
    for table in range(3):
        # 64 against 64: a score of equal laws scatters by 0.05.
        assert value(fresh, table, "generated", "memorisation") == pytest.approx(0.5, abs=0.16)


def test_generated_copies_have_the_numbers_of_the_training_rows(copies):
    for table in copies.tables:
        generated, training = table.sets[:2]
        for name in table.columns:
            assert generated.numbers[name].value == pytest.approx(training.numbers[name].value)


def test_fresh_rows_are_nearer_to_the_reference_than_noisy_ones(fresh):
    for table in (1, 2):
        noisy = value(fresh, table, "training, noise 0.1", "frechet")
        assert value(fresh, table, "held-out", "frechet") < noisy


def test_every_number_lies_in_its_interval_and_the_interval_in_the_range(copies, fresh):
    for quality in (copies, fresh):
        for table in quality.tables:
            for line in table.sets:
                for name, estimate in line.numbers.items():
                    assert estimate.low <= estimate.value <= estimate.high
                    if name in ("precision", "recall", "coverage", "memorisation"):
                        assert estimate.low >= 0
                        assert estimate.high <= 1


def test_json_reads_back_to_the_same_evaluation(copies):
    again = from_json(json.loads(json.dumps(copies.as_json())))
    assert again == copies


def test_text_has_a_line_for_each_set_and_no_number_without_a_name(copies):
    text = text_of(copies)
    assert text.count("\n\n") == 2
    for part in text.split("\n\n"):
        lines = part.splitlines()
        assert [line.split("  ")[0] for line in lines[2:]] == [
            "generated",
            "training",
            "held-out",
            "training, noise 0.1",
        ]
    assert "random convolutions" in text


def test_fidelity_is_that_of_the_metrics(digits):
    generated, reference = (r.reshape(len(r), -1) for r in (digits[:40], digits[100:400]))
    found = fidelity(generated, reference_of(reference))
    assert found["frechet"].value == pytest.approx(frechet.between(generated, reference))
    distance = kernel_distance.between(generated, reference)
    assert found["kernel_distance"].value == pytest.approx(distance.value)
    shares = manifold.between(generated, reference)._asdict()
    assert {name: found[name].value for name in shares} == pytest.approx(shares)


def test_points_of_a_mixture_are_measured_by_its_modes():
    mixture = source_of("{type: mixture, size: 600}")
    points = mixture.load().rows
    modes = mixture_modes(mixture.modes)
    sets = choose(points[:100], points[100:200], points[200:], None, noise=0.05, seed=0)
    found = measure(sets, Protocol([open_extractor("pixels")], noise=0.05, modes=modes), name="m")
    table = found.tables[0]
    assert table.columns == ["modes_hit", "within", "half_w2"]
    assert value(found, 0, "generated", "within") > 0.95
    noisy = value(found, 0, "training, noise 0.05", "within")
    assert noisy < value(found, 0, "training", "within")
    for line in table.sets:
        within, half_w2 = line.numbers["within"], line.numbers["half_w2"]
        assert within.low <= within.value <= within.high <= 1
        assert half_w2.low < half_w2.value < half_w2.high
    # Of 100 points of a share p the standard error is (p (1 - p) / 100)^(1/2).
    number = {line.name: line.numbers for line in table.sets}["training, noise 0.05"]["within"]
    error = np.sqrt(number.value * (1 - number.value) / 100)
    assert 0.4 < (number.high - number.low) / (2 * 1.96 * error) < 2.5


def test_a_distance_to_points_of_a_mixture_is_of_as_many_of_every_set():
    mixture = source_of("{type: mixture, size: 600}")
    points, modes = mixture.load().rows, mixture_modes(mixture.modes)
    sets = choose(points[:100], points[100:200], points[200:560], points[560:], noise=0.1, seed=0)
    assert len(sets.compared["held-out"]) == 20
    found = measure(sets, Protocol([open_extractor("pixels")], noise=0.1, modes=modes), name="m")
    spread = np.linspace(0, 99, 20).astype(int)  # not the first ones: sets follow each other
    wanted = transport.between(points[spread], points[200:220])
    assert value(found, 0, "generated", "half_w2") == pytest.approx(wanted)


def test_points_of_the_plane_have_no_random_convolutions():
    points = source_of("{type: mixture, size: 300}").load().rows
    sets = choose(points[:50], points[50:100], points[100:], None, noise=0.05, seed=0)
    with pytest.raises(InputError, match="use --features pixels"):
        measure(sets, Protocol([open_extractor("random")]), name="mixture")
