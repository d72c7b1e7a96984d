"""What `ganntk.synthesize` takes as images: arrays, tensors, tables, addresses."""

import io

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

import ganntk
from ganntk import images as drawing
from ganntk.data.digits import Digits
from ganntk.data.inputs import rows_from
from ganntk.errors import InputError

BYTES = np.random.default_rng(0).integers(0, 256, size=(4, 6, 5, 3), dtype=np.uint8)
ROWS = BYTES.astype(np.float32) / np.float32(255)


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


FILES = [png(image) for image in BYTES]
GIVEN = {
    "numpy bytes": lambda: BYTES,
    "numpy floats": lambda: ROWS,
    "jax": lambda: jnp.asarray(ROWS),
    "a list": lambda: list(ROWS),
    "table of files": lambda: pa.table({"image": FILES, "label": [0, 1, 0, 1]}),
    "table in the layout of Hugging Face": lambda: pa.table(
        {"image": [{"bytes": one, "path": "x.png"} for one in FILES]}
    ),
    "table of tensors": lambda: pa.table(
        {"image": pa.FixedShapeTensorArray.from_numpy_ndarray(ROWS)}
    ),
    "chunked table": lambda: pa.concat_tables(
        pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(part)})
        for part in (ROWS[:1], ROWS[1:])
    ),
    "table of nested lists": lambda: pa.table({"img": ROWS.tolist()}),
    "frame of files": lambda: pd.DataFrame({"image": FILES}),
    "frame of arrays": lambda: pd.DataFrame({"image": list(BYTES), "name": list("abcd")}),
}


@pytest.mark.parametrize("kind", GIVEN)
def test_images_are_the_same_however_they_are_given(kind):
    found = rows_from(GIVEN[kind]())
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, ROWS, atol=1e-7)


def test_tensors_of_torch_may_have_their_channels_first():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    first = torch.tensor(np.moveaxis(ROWS, 3, 1), requires_grad=True)
    np.testing.assert_array_equal(rows_from(first), ROWS)
    np.testing.assert_array_equal(rows_from(torch.tensor(ROWS)), ROWS)


def test_an_address_and_a_source_are_loaded(tmp_path):
    for number, image in enumerate(BYTES):
        (tmp_path / f"{number}.png").write_bytes(drawing.to_png(image))
    found = rows_from(tmp_path)
    assert sorted(map(bytes, np.round(found * 255).astype(np.uint8))) == sorted(map(bytes, BYTES))
    np.testing.assert_array_equal(rows_from("digits"), Digits().load().rows)
    np.testing.assert_array_equal(rows_from(Digits(size=5)), Digits(size=5).load().rows)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (pa.table({"a": FILES, "b": FILES}), "say with image_column"),
        (pa.table({"image": [FILES[0], b""]}), "row 1 of column image"),
        (pa.table({"image": ["a", "b"]}), "holds no images"),
        ("no-such-folder/x", "there is nothing at no-such-folder/x"),
        (ROWS[:1], "one row only"),
    ],
)
def test_what_is_no_images_is_one_sentence(given, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        rows_from(given)
    assert "\n" not in str(caught.value)


def test_synthesis_takes_a_table():
    given = GIVEN["table of files"]()
    found = ganntk.synthesize(given, points=2, kernel="cnn-small", lam=5, steps=2)
    same = ganntk.synthesize(ROWS, points=2, kernel="cnn-small", lam=5, steps=2)
    np.testing.assert_array_equal(found.images, same.images)
