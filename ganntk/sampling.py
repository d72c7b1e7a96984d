"""A trained generator beyond its run: its weights, rows without end, a program of its own. Layer 4.

Row number i depends on the seed and on i alone, so more rows of the same seed continue the first
ones, and those of the run itself are the first of its own seed.
"""

import functools
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jaxtyping import Float, Float32

from ganntk import generation, storage
from ganntk.checkpoint import store
from ganntk.checkpoint.trees import rebuilt
from ganntk.data import Source
from ganntk.errors import InputError
from ganntk.generators import network as networks
from ganntk.generators.network import Network, Weights
from ganntk.run_folder import RunFolder, table_of

_log = logging.getLogger(__name__)

PROGRAM, ABOUT = "generator.jax", "generator.json"
"""Files of an export: the serialised program of `jax.export`, and what its codes are."""

_STATE = "weights."
_PART_BYTES = 64e6
_MOST_ROWS = 65536
_EXPORT_PLATFORMS = ("cpu", "cuda")


@dataclass(frozen=True)
class Trained:
    """A generator at one step of its run.

    Attributes:
        network: its architecture.
        row_shape: of one row that the network makes.
        weights: its arrays.
        step: optimiser steps that they took.
        decoder: makes images of such rows, where these are codes of an autoencoder.
    """

    network: Network
    row_shape: tuple[int, ...]
    weights: Weights
    step: int
    decoder: Callable[[jax.Array], jax.Array] | None = None

    @property
    def shown_shape(self) -> tuple[int, ...]:
        """Of one row as a person sees it."""
        z = jax.ShapeDtypeStruct((1, self.network.latent), jnp.float32)
        return jax.eval_shape(self.made, z).shape[1:]

    def made(self, z: networks.Codes) -> Float[jax.Array, "rows ..."]:
        """The rows of given codes, as a function of JAX."""
        rows = _made(self.network, self.row_shape, self.weights, z).astype(jnp.float32)
        return rows if self.decoder is None else self.decoder(rows)

    def rows(self, z: networks.Codes) -> Float32[np.ndarray, "rows ..."]:
        """The rows of given codes."""
        return np.asarray(self.made(z))


def load(
    run_uri: str, network: Network, dtype: str, source: Source, step: int | None = None
) -> Trained:
    """The generator of a run, from one of its checkpoints.

    Args:
        run_uri: the run's folder.
        network: the architecture that it was trained with.
        dtype: of the weights: the run's precision.
        source: of the run's real rows, which says what rows are shown as.
        step: which checkpoint; None for what a finished run kept, else the newest.

    Raises:
        InputError: it is no run folder, it saved no real rows yet, or what decodes its rows is not
            to be had here.
        CheckpointError: there is no such checkpoint, or it is of another network.
    """
    folder = RunFolder.open(run_uri)
    real = folder.read_real()
    if real is None:
        raise InputError(f"{run_uri} holds no real rows yet: wait for its first steps")
    if step is None:
        step = _kept(folder)
    found, leaves = store.restore(run_uri, step=step)
    own = {
        name.removeprefix(_STATE): leaf for name, leaf in leaves.items() if name.startswith(_STATE)
    }
    decoder = source.decoder(found.manifest.data_fingerprint)
    shape = source.made_shape(real.shape[1:])
    template = networks.start(network, shape, jax.random.key(0), jnp.dtype(dtype))
    return Trained(network, shape, rebuilt(own, template), found.step, decoder)


def _kept(folder: RunFolder) -> int | None:
    """The step whose rows a finished run kept, where it has a checkpoint."""
    result = folder.read_result()
    if result is None:
        return None
    if result["steps"] in {found.step for found in store.listed(folder.uri)}:
        return result["steps"]
    _log.warning("the kept step %s has no checkpoint: taking the newest", result["steps"])
    return None


def write_rows(
    trained: Trained,
    uri: str,
    count: int,
    *,
    seed: int,
    first: int = 0,
    batch: int = 256,
    tell: Callable[[int], None] = lambda rows: None,
) -> list[str]:
    """Draw rows and write them to a folder as Parquet parts, of about 64 MB each.

    Args:
        trained: the generator.
        uri: a folder, on any storage, without Parquet files.
        count: how many rows, at least one.
        seed: of the codes.
        first: number of the first row.
        batch: rows that are made at once.
        tell: called with the number of rows written so far.

    Returns:
        The parts.

    Raises:
        InputError: the folder holds rows already.
    """
    if storage.list_files(uri, suffix=".parquet"):
        raise InputError(f"{uri} already holds rows: choose another folder, or delete it yourself")
    size = 4 * int(np.prod(trained.shown_shape))
    most = int(np.clip(_PART_BYTES // size, batch, _MOST_ROWS)) // batch * batch
    parts = []
    for start in range(0, count, most):
        number = min(most, count - start)
        rows = np.concatenate(list(_batches(trained, seed, first + start, number, batch)))
        columns = {
            "index": np.arange(first + start, first + start + number, dtype=np.int64),
            "seed": np.full(number, seed, np.int64),
            "step": np.full(number, trained.step, np.int64),
        }
        parts.append(storage.join(uri, f"part-{len(parts):05d}.parquet"))
        storage.write_table(parts[-1], table_of(rows, columns))
        tell(start + number)
    return parts


def _batches(
    trained: Trained, seed: int, first: int, count: int, batch: int
) -> Iterator[Float32[np.ndarray, "batch ..."]]:
    key = generation.sample_key(seed)
    for start in range(0, count, batch):
        # Of one size, so that one compilation serves all; the rest is dropped.
        z = networks.codes(trained.network, key, batch, first + start)
        yield trained.rows(z)[: count - start]


def interpolated(
    trained: Trained, *, seed: int, pairs: int = 6, steps: int = 10
) -> Float32[np.ndarray, "rows ..."]:
    """Rows on the way from one code to another, pair after pair.

    A normal code of many numbers has about one length, so the way is along the sphere.

    Args:
        trained: the generator.
        seed: of the codes.
        pairs: of codes.
        steps: rows of each pair, both ends included.
    """
    z = np.asarray(
        networks.codes(trained.network, generation.sample_key(seed), 2 * pairs), np.float64
    )
    t = np.linspace(0, 1, steps)
    ways = [_way(one, other, t) for one, other in zip(z[::2], z[1::2], strict=True)]
    return trained.rows(jnp.asarray(np.concatenate(ways), jnp.float32))


def _way(
    one: Float[np.ndarray, " latent"],
    other: Float[np.ndarray, " latent"],
    t: Float[np.ndarray, " steps"],
) -> Float[np.ndarray, "steps latent"]:
    """Points between two codes: the direction turns evenly, the length changes evenly."""
    lengths = [float(np.linalg.norm(end)) for end in (one, other)]
    a, b = one / lengths[0], other / lengths[1]
    angle = np.arccos(np.clip(a @ b, -1, 1))
    if np.sin(angle) < 1e-6:
        return one + t[:, None] * (other - one)
    directions = np.sin((1 - t) * angle)[:, None] * a + np.sin(t * angle)[:, None] * b
    return (lengths[0] * (1 - t) + lengths[1] * t)[:, None] * directions / np.sin(angle)


def write_program(trained: Trained, uri: str) -> str:
    """Export the generator as a program that needs JAX alone; returns its URI.

    ``jax.export.deserialize(content).call(codes)`` makes rows in [0, 1] of float32 codes of any
    number; the weights are part of it.

    Args:
        trained: the generator.
        uri: a folder, on any storage.
    """
    latent = trained.network.latent
    (rows,) = export.symbolic_shape("rows")
    codes = jax.ShapeDtypeStruct((rows, latent), jnp.float32)
    exported = export.export(jax.jit(trained.made), platforms=_EXPORT_PLATFORMS)(codes)
    target = storage.join(uri, PROGRAM)
    storage.write_bytes(target, bytes(exported.serialize()))
    about = {"latent": latent, "row_shape": list(trained.shown_shape), "step": trained.step}
    about |= {"codes": "standard normal, float32", "range": [0, 1], "jax": jax.__version__}
    storage.write_text(storage.join(uri, ABOUT), json.dumps(about, indent=2) + "\n")
    return target


@functools.partial(jax.jit, static_argnums=(0, 1))
def _made(
    network: Network, row_shape: tuple[int, ...], weights: Weights, z: networks.Codes
) -> jax.Array:
    return networks.generate(network, row_shape, weights, z)[0]
