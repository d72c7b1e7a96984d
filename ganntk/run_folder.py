"""The files of a run, under one URI. Layer 4.

===============================  ==================================================================
file                             holds
===============================  ==================================================================
``config.yaml``                  the resolved configuration; written first
``metrics.jsonl``                one JSON object a line: step, elapsed_seconds, declared series
``samples/00000100.png``         the generated rows at step 100, as one picture
``real/part-00000.parquet``      the first real rows, at most 4096: ``image``, ``index``
``images/part-00000.parquet``    the generated rows at the end of the run, see below
``checkpoints/``                 the state at some steps: `ganntk.checkpoint`
``result.json``                  the numbers of the finished run; written last
``generated/part-*.parquet``     more rows of a generator, from `ganntk sample`
``interpolations.png``           ways between codes of a generator, from `ganntk sample`
``quality.json``                 what `ganntk evaluate` measured, at any time
``report.html``                  drawn from the others, at any time
===============================  ==================================================================

Columns of ``images``: ``image`` (the float32 values, an Arrow fixed-shape tensor; readers that do
not know the extension see a list of numbers), ``index`` (of the generated row), ``seed``,
``step``, ``worker`` (that had the row), ``d`` (the discriminator at that row), ``nearest_real``
(index of the nearest real row), ``nearest_distance`` (to it, Euclidean), ``nearest_ssim`` (to it,
structural similarity, NaN where rows are no images of at least 4 x 4 pixels). The shape of a row
is also in the schema metadata, key ``shape``, as JSON. The gaps in the sample pictures are
transparent.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Float32, Int, UInt8

from ganntk import images, storage
from ganntk.errors import InputError

CONFIG = "config.yaml"
METRICS = "metrics.jsonl"
RESULT = "result.json"
REPORT = "report.html"
QUALITY = "quality.json"
INTERPOLATIONS = "interpolations.png"
MOST_REAL_ROWS = 4096
_PART = "part-00000.parquet"

Rows = Float32[np.ndarray, "rows ..."]


@dataclass(frozen=True)
class SavedImages:
    """The generated rows of a run as they were saved, one entry of every array for each row."""

    rows: Rows
    index: Int[np.ndarray, " rows"]
    seed: Int[np.ndarray, " rows"]
    step: Int[np.ndarray, " rows"]
    d: Float32[np.ndarray, " rows"]
    nearest_real: Int[np.ndarray, " rows"]
    nearest_distance: Float32[np.ndarray, " rows"]
    nearest_ssim: Float32[np.ndarray, " rows"]
    worker: Int[np.ndarray, " rows"]


@dataclass(frozen=True)
class RunFolder:
    """A folder that holds one run.

    Make one with `create` or `open`: the constructor looks at nothing.

    Attributes:
        uri: the folder, on any storage that fsspec knows.
    """

    uri: str

    @property
    def name(self) -> str:
        """The last part of the URI."""
        return self.uri.rstrip("/").rsplit("/", 1)[-1]

    @classmethod
    def create(cls, uri: str, config_text: str) -> "RunFolder":
        """Start a run folder by writing its `config.yaml`.

        Args:
            uri: the folder; made when it is missing.
            config_text: the resolved configuration as YAML.

        Raises:
            InputError: when the folder already holds a run or cannot be written; nothing is
                overwritten.
        """
        cls.check_free(uri)
        folder = cls(uri)
        storage.write_text(folder.path(CONFIG), config_text)
        return folder

    @classmethod
    def check_free(cls, uri: str) -> None:
        """Make the folder, and refuse it when it holds a run already.

        Raises:
            InputError: when the folder already holds a run or cannot be written.
        """
        folder = cls(uri)
        if storage.exists(folder.path(RESULT)):
            raise InputError(
                f"{uri} already holds a run: choose another --run_uri, give it more steps with "
                f"`ganntk resume {uri} --steps N`, or delete it yourself"
            )
        if any(storage.exists(folder.path(name)) for name in (CONFIG, METRICS)):
            raise InputError(
                f"{uri} already holds a run that did not finish: go on with `ganntk resume {uri}`, "
                "choose another --run_uri, or delete it yourself"
            )
        storage.make_folder(uri)

    @classmethod
    def open(cls, uri: str) -> "RunFolder":
        """A run folder to read.

        Raises:
            InputError: when there is no run at `uri`.
        """
        folder = cls(uri)
        if not storage.exists(folder.path(CONFIG)):
            raise InputError(
                f"{uri} holds no run, there is no {CONFIG} in it: give the run_uri of a run"
            )
        return folder

    def path(self, *parts: str) -> str:
        """The URI of something in the folder."""
        return storage.join(self.uri, *parts)

    def config_text(self) -> str:
        """The resolved configuration as YAML."""
        return storage.read_text(self.path(CONFIG))

    def cut(self, step: int, config_text: str) -> float:
        """Forget what came after a step, for a run that goes on from there.

        Args:
            step: records and pictures of later steps go, and so does the result.
            config_text: the configuration that the run goes on with.

        Returns:
            Seconds that the run had taken by then.
        """
        kept = [line for line in self.read_metrics() if line["step"] <= step]
        # Totals of phases are recorded at the end, and again at the next one.
        kept = [line for line in kept if "phase_seconds" not in line]
        text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in kept)
        storage.write_text(self.path(METRICS), text)
        for taken, uri in self.sample_uris().items():
            if taken > step:
                storage.remove(uri)
        storage.remove(self.path(RESULT))
        storage.write_text(self.path(CONFIG), config_text)
        return float(kept[-1]["elapsed_seconds"]) if kept else 0.0

    def write_samples(self, step: int, rows: Rows, *, reference: Rows | None = None) -> str:
        """Save the picture of the generated rows at one step; returns its URI.

        Args:
            step: optimiser steps taken.
            rows: images in [0, 1], shape (m, h, w, c), or points of a mixture, shape (m, 2).
            reference: the real rows, drawn behind points of a mixture; else without effect.
        """
        uri = self.path("samples", f"{step:08d}.png")
        storage.write_bytes(uri, images.to_png(sheet(rows, reference)))
        return uri

    def write_interpolations(self, rows: Rows, steps: int) -> str:
        """Save the picture of the ways between codes, a line of so many steps each."""
        uri = self.path(INTERPOLATIONS)
        picture = images.picture_of(rows, columns=steps, limit=len(rows))
        storage.write_bytes(uri, images.to_png(picture))
        return uri

    def read_interpolations(self) -> bytes | None:
        """The PNG file of the ways between codes, or None where nobody sampled."""
        uri = self.path(INTERPOLATIONS)
        return storage.read_bytes(uri) if storage.exists(uri) else None

    def sample_uris(self) -> dict[int, str]:
        """The saved sample pictures, step -> URI, by rising step."""
        found = storage.list_files(self.path("samples"), suffix=".png")
        stems = {uri: uri.rsplit("/", 1)[-1].removesuffix(".png") for uri in found}
        steps = {int(stem): uri for uri, stem in stems.items() if stem.isdigit()}
        return dict(sorted(steps.items()))

    def write_images(
        self,
        rows: Rows,
        *,
        step: int,
        seed: int,
        d: Float[np.ndarray, " rows"],
        nearest_real: Int[np.ndarray, " rows"],
        nearest_distance: Float[np.ndarray, " rows"],
        nearest_ssim: Float[np.ndarray, " rows"] | None = None,
        worker: Int[np.ndarray, " rows"] | None = None,
    ) -> str:
        """Save the generated rows with what is known of each; returns the URI of the part.

        Args:
            rows: images in [0, 1], shape (m, h, w, c), or points of a mixture, shape (m, 2).
            step: optimiser steps taken.
            seed: the seed of the run.
            d: the discriminator at each row.
            nearest_real: index of the real row nearest to each.
            nearest_distance: Euclidean distance to that row.
            nearest_ssim: structural similarity to it; None where it is not known.
            worker: which one had each row; None for the first.
        """
        count = len(rows)
        columns = {
            "index": np.arange(count, dtype=np.int64),
            "seed": np.full(count, seed, np.int64),
            "step": np.full(count, step, np.int64),
            "d": np.asarray(d, np.float32),
            "nearest_real": np.asarray(nearest_real, np.int64),
            "nearest_distance": np.asarray(nearest_distance, np.float32),
            "nearest_ssim": _filled(nearest_ssim, count, np.nan, np.float32),
            "worker": _filled(worker, count, 0, np.int64),
        }
        uri = self.path("images", _PART)
        storage.write_table(uri, table_of(rows, columns))
        return uri

    def write_real(self, rows: Rows) -> str:
        """Save the real rows, at most the first 4096; returns the URI of the part."""
        kept = rows[:MOST_REAL_ROWS]
        uri = self.path("real", _PART)
        storage.write_table(uri, table_of(kept, {"index": np.arange(len(kept), dtype=np.int64)}))
        return uri

    def read_images(self) -> SavedImages | None:
        """The generated rows, or None while the run has not saved them."""
        table = self._read_parts("images")
        if table is None:
            return None
        known = [field.name for field in dataclasses.fields(SavedImages) if field.name != "rows"]
        columns = {name: table[name].to_numpy() for name in known if name in table.column_names}
        # Runs of earlier versions do not say these.
        columns.setdefault("nearest_ssim", np.full(len(table), np.nan, np.float32))
        columns.setdefault("worker", np.zeros(len(table), np.int64))
        return SavedImages(rows=_rows(table), **columns)

    def read_real(self) -> Rows | None:
        """The saved real rows, or None where there are none."""
        table = self._read_parts("real")
        return None if table is None else _rows(table)

    def read_metrics(self) -> list[dict[str, Any]]:
        """The records of `metrics.jsonl`, oldest first; empty before the first one.

        A last line that was cut short, by a run that was killed or is still writing, is left out.

        Raises:
            InputError: when any other line is not JSON.
        """
        uri = self.path(METRICS)
        if not storage.exists(uri):
            return []
        lines = [line for line in storage.read_text(uri).split("\n") if line.strip()]
        records = []
        for number, line in enumerate(lines, start=1):
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError as error:
                if number == len(lines):
                    break
                raise InputError(
                    f"line {number} of {uri} is not JSON: restore the file, or remove that line"
                ) from error
        return records

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Write `result.json`, whole or not at all."""
        text = json.dumps(dict(result), indent=2, allow_nan=False)
        storage.write_text(self.path(RESULT), text + "\n")

    def read_result(self) -> dict[str, Any] | None:
        """The numbers of the finished run, or None when it has not finished."""
        uri = self.path(RESULT)
        return json.loads(storage.read_text(uri)) if storage.exists(uri) else None

    def write_quality(self, quality: Mapping[str, Any]) -> None:
        """Write `quality.json`, in the place of an earlier one."""
        text = json.dumps(dict(quality), indent=2, allow_nan=False)
        storage.write_text(self.path(QUALITY), text + "\n")

    def read_quality(self) -> dict[str, Any] | None:
        """What an evaluation measured, or None where there was none."""
        uri = self.path(QUALITY)
        return json.loads(storage.read_text(uri)) if storage.exists(uri) else None

    def _read_parts(self, name: str) -> pa.Table | None:
        """All Parquet parts of a subfolder as one table, or None when there are none."""
        parts = storage.list_files(self.path(name), suffix=".parquet")
        tables = [storage.read_table(uri) for uri in parts]
        return pa.concat_tables(tables) if tables else None


def sheet(rows: Rows, reference: Rows | None = None) -> UInt8[np.ndarray, "height width c"]:
    """A picture of rows that suits a light and a dark page: the gaps between images are clear.

    Args:
        rows: images or points in [0, 1], as `images.picture_of` takes them.
        reference: real points to draw behind points of the plane.
    """
    picture = images.picture_of(rows, reference)
    if rows.ndim != 4 or picture.shape[-1] == 4:
        return picture
    # Black images leave white exactly where there is none: the picture of where to see through.
    gaps = images.picture_of(np.zeros_like(rows[..., :1]))
    colours = np.broadcast_to(picture, (*picture.shape[:2], 3))
    return np.concatenate([colours, 255 - gaps], axis=-1)


def _filled(
    values: np.ndarray | None, count: int, otherwise: float, dtype: type[np.generic]
) -> np.ndarray:
    """The values, or one for all rows where they are not known."""
    return np.full(count, otherwise, dtype) if values is None else np.asarray(values, dtype)


def table_of(rows: Rows, columns: Mapping[str, np.ndarray]) -> pa.Table:
    """Rows as a tensor column `image`, before other columns, with their shape in the metadata.

    Args:
        rows: images or points in [0, 1].
        columns: name -> one entry for each row.
    """
    values = np.ascontiguousarray(rows, dtype=np.float32)
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(values)
    metadata = {"shape": json.dumps(list(values.shape[1:]))}
    return pa.table({"image": tensor, **columns}).replace_schema_metadata(metadata)


def _rows(table: pa.Table) -> Rows:
    """The column `image` as one array."""
    return np.array(table["image"].combine_chunks().to_numpy_ndarray())
