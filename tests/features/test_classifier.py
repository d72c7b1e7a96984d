"""The classifier that the program trains: right, reproducible, cached, honest about its name."""

import numpy as np
import pytest

from ganntk import storage
from ganntk.data.located import source_of
from ganntk.errors import InputError
from ganntk.features import open_extractor, recipe


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp("features"))


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return source_of("{type: digits, size: 40, seed: 3}").load().rows


@pytest.fixture(scope="module")
def found(cache, rows) -> np.ndarray:
    return open_extractor("classifier:digits", cache_uri=cache).extract(rows)


def test_features_are_the_hidden_layer(found):
    assert found.shape == (40, recipe.FEATURES)
    assert (found >= 0).all()
    assert np.isfinite(found).all()


def test_the_classifier_names_most_digits_that_it_was_not_trained_on():
    data = source_of("digits").load()
    trained = recipe.train(data.rows, np.asarray(data.labels), 10)
    # Chance is 0.1; 0.95 was measured, on 179 digits.
    assert trained.accuracy > 0.9


def test_features_come_from_the_cache_the_second_time(cache, rows, found, monkeypatch):
    def refuse(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(recipe, "train", refuse)
    again = open_extractor("classifier:digits", cache_uri=cache).extract(rows)
    np.testing.assert_array_equal(again, found)


def test_training_is_reproducible_without_a_cache(rows, found):
    again = open_extractor("classifier:digits").extract(rows)
    np.testing.assert_allclose(again, found, rtol=1e-4, atol=1e-5)


def test_features_tell_the_classes_apart(cache, found):
    labels = np.asarray(source_of("{type: digits, size: 40, seed: 3}").load().labels)
    gaps = np.linalg.norm(found[:, None] - found, axis=2)
    same = labels[:, None] == labels
    others = ~np.eye(len(labels), dtype=bool)
    assert gaps[same & others].mean() < 0.8 * gaps[~same].mean()


def test_a_table_never_calls_it_fid():
    name = open_extractor("classifier:some/where/labelled.npz").name
    assert name == "own classifier of labelled.npz"


def test_weights_of_another_network_are_refused_with_a_remedy(cache, found, rows):
    (uri,) = storage.list_files(cache, suffix=".npz")
    with np.load(uri) as opened:
        arrays = {name: opened[name] for name in opened.files}
    del arrays["output/bias"]
    other = storage.join(cache, "other", uri.rsplit("/", 1)[-1])
    storage.make_folder(storage.join(cache, "other"))
    np.savez(other, **arrays)
    with pytest.raises(InputError, match="delete the cached file"):
        open_extractor("classifier:digits", cache_uri=storage.join(cache, "other")).extract(rows)


def test_images_of_another_shape_are_refused(cache, found):
    with pytest.raises(InputError, match="images of the same shape"):
        open_extractor("classifier:digits", cache_uri=cache).extract(
            np.zeros((3, 28, 28, 1), np.float32)
        )


def test_images_without_labels_are_refused(tmp_path):
    np.save(tmp_path / "plain.npy", np.zeros((200, 8, 8, 1), np.float32))
    with pytest.raises(InputError, match="has no labels"):
        open_extractor(f"classifier:{tmp_path / 'plain.npy'}").extract(
            np.zeros((3, 8, 8, 1), np.float32)
        )


def test_a_classifier_needs_images_to_be_named():
    with pytest.raises(InputError, match="classifier:IMAGES"):
        open_extractor("classifier").extract(np.zeros((3, 8, 8, 1), np.float32))


@pytest.mark.parametrize(("count", "classes"), [(99, 2), (200, 1)])
def test_too_few_images_or_classes_are_refused(count, classes):
    with pytest.raises(InputError, match="at least two classes and 100 images"):
        recipe.train(np.zeros((count, 8, 8, 1), np.float32), np.zeros(count, int), classes)


@pytest.mark.parametrize("shape", [(8, 8, 1), (64, 48, 3), (5, 5, 1)])
def test_images_of_any_size_have_a_network(shape):
    draws = np.random.default_rng(0)
    rows = draws.random((120, *shape)).astype(np.float32)
    trained = recipe.train(rows, np.arange(120) % 2, 2)
    assert recipe.restored(trained, shape, 2).features(rows[:3]).shape == (3, recipe.FEATURES)
