import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ganntk import storage
from ganntk.errors import InputError
from ganntk.run_folder import MOST_REAL_ROWS, RunFolder

CONFIG = "data: {type: digits}\n"


def rows(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).random((count, *shape)).astype(np.float32)


def save(folder: RunFolder, generated: np.ndarray) -> str:
    count = len(generated)
    return folder.write_images(
        generated,
        step=500,
        seed=7,
        d=np.linspace(0.4, 0.6, count),
        nearest_real=np.arange(count)[::-1],
        nearest_distance=np.linspace(0, 1, count),
    )


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    return RunFolder.create(str(tmp_path / "run"), CONFIG)


def test_new_folder_holds_the_configuration(folder):
    assert RunFolder.open(folder.uri).config_text() == CONFIG


@pytest.mark.parametrize("name", ["config.yaml", "result.json", "metrics.jsonl"])
def test_folder_that_holds_a_run_is_refused_and_untouched(tmp_path, name):
    storage.write_text(str(tmp_path / name), "precious")
    with pytest.raises(InputError, match=r"already holds a run.*delete it yourself"):
        RunFolder.create(str(tmp_path), CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "precious"


def test_folder_with_other_files_is_accepted(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    assert RunFolder.create(str(tmp_path), CONFIG).config_text() == CONFIG


def test_folder_that_cannot_be_written_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match=r"file/run.*: choose another") as caught:
        RunFolder.create(str(tmp_path / "file" / "run"), CONFIG)
    assert "\n" not in str(caught.value)


def test_folder_without_a_run_cannot_be_opened(tmp_path):
    with pytest.raises(InputError, match="holds no run"):
        RunFolder.open(str(tmp_path))


def test_samples_are_named_by_their_step(folder):
    folder.write_samples(120, rows(4, 8, 8, 1))
    folder.write_samples(0, rows(4, 8, 8, 1))
    assert folder.sample_uris() == {
        0: folder.path("samples", "00000000.png"),
        120: folder.path("samples", "00000120.png"),
    }


@pytest.mark.parametrize("channels", [1, 3])
def test_samples_are_opaque_at_images_and_clear_between_them(folder, channels):
    uri = folder.write_samples(0, rows(4, 8, 8, channels))
    picture = np.asarray(Image.open(io.BytesIO(storage.read_bytes(uri))))
    assert picture.shape[-1] == 4
    assert set(np.unique(picture[..., 3])) == {0, 255}
    assert picture[0, 0, 3] == 0
    assert picture[len(picture) // 4, len(picture) // 4, 3] == 255


def test_samples_of_a_mixture_are_a_picture_of_the_plane(folder):
    uri = folder.write_samples(0, rows(10, 2), reference=rows(20, 2))
    assert Image.open(io.BytesIO(storage.read_bytes(uri))).size == (480, 480)


@pytest.mark.parametrize("shape", [(8, 8, 1), (5, 4, 3), (2,)])
def test_generated_rows_come_back_as_they_were(folder, shape):
    generated = rows(6, *shape)
    save(folder, generated)
    saved = folder.read_images()
    assert saved is not None
    np.testing.assert_array_equal(saved.rows, generated)
    np.testing.assert_array_equal(saved.index, np.arange(6))
    np.testing.assert_array_equal(saved.seed, np.full(6, 7))
    np.testing.assert_array_equal(saved.step, np.full(6, 500))
    np.testing.assert_array_equal(saved.nearest_real, np.arange(6)[::-1])
    np.testing.assert_allclose(saved.d, np.linspace(0.4, 0.6, 6), rtol=1e-6)
    np.testing.assert_allclose(saved.nearest_distance, np.linspace(0, 1, 6), rtol=1e-6)


def test_parquet_file_says_the_shape_to_readers_that_know_no_tensors(folder):
    schema = pq.read_schema(save(folder, rows(3, 5, 4, 3)))
    assert json.loads(schema.metadata[b"shape"]) == [5, 4, 3]
    assert schema.field("index").type == "int64"


def test_parts_of_generated_rows_are_read_in_order(folder):
    part = save(folder, rows(2, 4, 4, 1))
    second = storage.read_bytes(part)
    storage.write_bytes(part.replace("00000", "00001"), second)
    saved = folder.read_images()
    assert saved is not None
    assert saved.rows.shape == (4, 4, 4, 1)


def test_real_rows_come_back_up_to_the_limit(folder):
    real = rows(MOST_REAL_ROWS + 3, 2)
    folder.write_real(real)
    np.testing.assert_array_equal(folder.read_real(), real[:MOST_REAL_ROWS])


def test_what_was_not_written_is_none_or_empty(folder):
    assert folder.read_images() is None
    assert folder.read_real() is None
    assert folder.read_result() is None
    assert folder.read_metrics() == []
    assert folder.sample_uris() == {}


def test_torn_last_line_of_metrics_is_left_out(folder):
    storage.write_text(folder.path("metrics.jsonl"), '{"step": 0}\n{"step": 1}\n{"step": 2, "lo')
    assert folder.read_metrics() == [{"step": 0}, {"step": 1}]


def test_broken_line_within_metrics_is_named(folder):
    storage.write_text(folder.path("metrics.jsonl"), '{"step": 0}\n{"st\n{"step": 2}\n')
    with pytest.raises(InputError, match=r"line 2 of .* is not JSON"):
        folder.read_metrics()


def test_result_comes_back(folder):
    folder.write_result({"steps": 500, "loss": 0.25})
    assert folder.read_result() == {"steps": 500, "loss": 0.25}


def test_result_that_is_not_json_leaves_the_old_one(folder):
    folder.write_result({"loss": 0.25})
    with pytest.raises(ValueError, match="JSON"):
        folder.write_result({"loss": float("nan")})
    assert folder.read_result() == {"loss": 0.25}


def test_run_folder_works_in_an_object_store():
    folder = RunFolder.create("memory://test-run-folder/run", CONFIG)
    folder.write_samples(3, rows(4, 8, 8, 1))
    save(folder, rows(4, 8, 8, 1))
    assert folder.sample_uris() == {3: "memory://test-run-folder/run/samples/00000003.png"}
    assert RunFolder.open(folder.uri).read_images() is not None


def test_what_earlier_versions_did_not_save_is_filled_in(folder):
    uri = save(folder, rows(3, 4, 4, 1))
    storage.write_table(uri, storage.read_table(uri).drop_columns(["nearest_ssim", "worker"]))
    saved = folder.read_images()
    assert saved is not None
    assert np.isnan(saved.nearest_ssim).all()
    np.testing.assert_array_equal(saved.worker, np.zeros(3))
