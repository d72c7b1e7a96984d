"""Trees of arrays as files of Orbax, and back into the same structure. Layer 4.

The only module that imports Orbax. What is written is a flat dictionary from the path of a leaf to
its array: no class, nothing that is run when it is read.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import jax
import numpy as np
import orbax.checkpoint as ocp

from ganntk.errors import CheckpointError

Leaves: TypeAlias = dict[str, np.ndarray]


def flattened(tree: Any) -> Leaves:
    """The leaves of a tree by their paths.

    Example:
        >>> flattened({"a": [1.5, None], "b": (np.zeros(2),)})
        {'a.0': array(1.5), 'b.0': array([0., 0.])}
    """
    found: Leaves = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        if name in found:
            raise AssertionError(f"two leaves of a state are called {name}")
        found[name] = np.asarray(leaf)
    return found


def rebuilt(leaves: Mapping[str, np.ndarray], template: Any) -> Any:
    """A tree like the template with other leaves.

    Args:
        leaves: by path, as `flattened` gives them.
        template: a tree of the same structure, shapes and types.

    Raises:
        CheckpointError: the leaves do not fit; the sentence names the first differences.
    """
    wanted = flattened(template)
    differences = [
        f"{name} is {_kind(leaves.get(name))} there and {_kind(wanted.get(name))} here"
        for name in sorted({*leaves, *wanted})
        if _kind(leaves.get(name)) != _kind(wanted.get(name))
    ]
    if differences:
        more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise CheckpointError(
            f"the checkpoint is of another run: {'; '.join(differences[:3])}{more}; give the run "
            "the configuration that it was started with"
        )
    structure = jax.tree.structure(template)
    originals = jax.tree.leaves(template)
    found = [
        type(original)(leaves[name].item()) if isinstance(original, int | float) else leaves[name]
        for name, original in zip(wanted, originals, strict=True)
    ]
    return jax.tree.unflatten(structure, found)


def write(folder: str, tree: Any) -> None:
    """Write a tree into a local folder that does not exist yet."""
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
        checkpointer.save(folder, flattened(tree))


def read(folder: str) -> Leaves:
    """What `write` wrote."""
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
        names = checkpointer.metadata(folder).item_metadata.tree
        kinds = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in names}
        return dict(checkpointer.restore(folder, ocp.args.PyTreeRestore(restore_args=kinds)))


def _kind(leaf: np.ndarray | None) -> str:
    return "missing" if leaf is None else f"{leaf.dtype}{list(leaf.shape)}"
