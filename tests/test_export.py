import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from ganntk import storage
from ganntk.cli import main
from ganntk.data.array import SavedArray
from ganntk.data.folder import Folder
from ganntk.data.parquet import Parquet
from ganntk.errors import InputError
from ganntk.export import export
from ganntk.run_folder import RunFolder

ROWS = np.random.default_rng(0).random((7, 6, 5, 3)).astype(np.float32)


def run_of(uri: str, rows: np.ndarray = ROWS) -> str:
    folder = RunFolder.create(uri, "")
    count = len(rows)
    folder.write_images(
        rows,
        step=30,
        seed=4,
        d=np.linspace(0.4, 0.6, count),
        nearest_real=np.arange(count)[::-1],
        nearest_distance=np.linspace(1, 2, count),
        nearest_ssim=np.linspace(0, 1, count),
        worker=np.arange(count) % 2,
    )
    return uri


@pytest.fixture(params=["disk", "memory"])
def places(request, tmp_path) -> tuple[str, str]:
    """A run, and where to put what is made of it."""
    root = str(tmp_path) if request.param == "disk" else f"memory://export{tmp_path}"
    return run_of(f"{root}/run"), f"{root}/out"


def as_bytes(rows: np.ndarray) -> np.ndarray:
    return np.rint(rows * 255).astype(np.uint8)


def test_png_makes_a_picture_of_each_row_and_a_table(places):
    run_uri, out = places
    assert export(run_uri, out) == 7
    for index, row in enumerate(ROWS):
        content = storage.read_bytes(f"{out}/{index:05d}.png")
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), as_bytes(row))
    table = list(csv.DictReader(io.StringIO(storage.read_text(f"{out}/rows.csv"))))
    assert [line["file"] for line in table][:2] == ["00000.png", "00001.png"]
    assert [line["nearest_real"] for line in table] == list("6543210")
    assert [line["worker"] for line in table] == list("0101010")
    assert (table[0]["step"], table[0]["seed"]) == ("30", "4")
    assert float(table[6]["nearest_ssim"]) == 1


def test_npz_holds_every_number(places):
    run_uri, out = places
    export(run_uri, f"{out}.npz", kind="npz")
    found = np.load(io.BytesIO(storage.read_bytes(f"{out}.npz")))
    np.testing.assert_array_equal(found["images"], ROWS)
    np.testing.assert_allclose(found["d"], np.linspace(0.4, 0.6, 7), rtol=1e-6)


@pytest.mark.parametrize("kind", ["png", "npz", "parquet"])
def test_what_is_exported_can_be_the_data_of_a_run(places, kind):
    run_uri, out = places
    export(run_uri, out + {"npz": ".npz", "parquet": ".parquet"}.get(kind, ""), kind=kind)
    source = {
        "png": Folder(uri=out),
        "npz": SavedArray(uri=f"{out}.npz"),
        "parquet": Parquet(uri=f"{out}.parquet"),
    }[kind]
    found = source.load().rows
    order = [np.argsort(as_bytes(rows).reshape(7, -1).sum(axis=1)) for rows in (found, ROWS)]
    np.testing.assert_array_equal(as_bytes(found[order[0]]), as_bytes(ROWS[order[1]]))


def test_a_grid_is_one_picture_of_all_rows(places):
    run_uri, out = places
    export(run_uri, f"{out}.png", kind="grid")
    assert Image.open(io.BytesIO(storage.read_bytes(f"{out}.png"))).size[0] >= 480


def test_nothing_is_overwritten(places):
    run_uri, out = places
    storage.write_text(f"{out}/mine", "mine")
    storage.write_text(f"{out}.npz", "mine")
    for uri, kind in ((out, "png"), (f"{out}.npz", "npz")):
        with pytest.raises(InputError, match="there is something at"):
            export(run_uri, uri, kind=kind)
    assert storage.read_text(f"{out}.npz") == "mine"


@pytest.mark.parametrize("kind", ["png", "parquet", "grid"])
def test_points_are_no_pictures(tmp_path, kind):
    run_uri = run_of(str(tmp_path / "run"), ROWS[:, 0, 0, :2])
    with pytest.raises(InputError, match=r"rows of shape \(2,\) are no pictures: export them as"):
        export(run_uri, str(tmp_path / "out"), kind=kind)
    assert not storage.exists(str(tmp_path / "out"))
    assert export(run_uri, str(tmp_path / "out.npz"), kind="npz") == 7


def test_a_run_without_images_says_so(tmp_path):
    RunFolder.create(str(tmp_path / "run"), "")
    with pytest.raises(InputError, match="has no images yet"):
        export(str(tmp_path / "run"), str(tmp_path / "out"))


def test_the_command_says_what_it_wrote(tmp_path, capsys):
    run_uri = run_of(str(tmp_path / "run"))
    out = str(tmp_path / "out.npz")
    assert main(["export", run_uri, out, "--format", "npz"]) == 0
    assert json.loads(capsys.readouterr().out) == {"uri": out, "rows": 7}
    assert main(["export", str(tmp_path), out]) == 2
    assert "holds no run" in capsys.readouterr().err
