"""Parts of a conversion written side by side by Ray Data. Layer 6.

This module imports Ray inside its functions: `ray_session` sets variables that Ray reads before.
"""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from ganntk.data.conversion import Conversion, Part, discard
from ganntk.distributed.ray_session import session, stay_on_loopback
from ganntk.errors import InputError


@contextlib.contextmanager
def parts_by_ray(conversion: Conversion, address: str) -> Iterator[Iterator[Part]]:
    """Write the parts of a conversion with all CPUs of a Ray.

    Args:
        conversion: from `ganntk.data.conversion.begin`; workers must reach its source and its
            folder.
        address: ``local`` for a Ray of this machine that ends with the block, ``auto`` or an
            address for a cluster.

    Yields:
        What was written, each part as soon as it is there, in any order.

    Raises:
        InputError: nothing answers at the address; or, from the iterator, a part cannot be written.
    """
    if address == "local":
        stay_on_loopback()
    try:
        with session(address):
            yield _written(conversion)
    except BaseException:
        # Tasks that were under way when the first part was refused have written theirs since.
        discard(conversion.uri)
        raise


def _written(conversion: Conversion) -> Iterator[Part]:
    from ray import data

    # It would say on a terminal what the caller's own progress says.
    data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    count = len(conversion.parts)
    numbers = data.range(count, override_num_blocks=count)
    writer: Any = _PartWriter
    written = numbers.map(
        writer, fn_constructor_args=(conversion,), concurrency=(1, count), num_cpus=1
    )
    for row in written.iter_rows():
        if row["refusal"]:
            raise InputError(row["refusal"])
        yield row["part"]


class _PartWriter:
    """Writes parts in a process of its own; a refusal travels as its sentence."""

    def __init__(self, conversion: Conversion) -> None:
        self._conversion = conversion

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"part": self._conversion.write(int(row["id"])), "refusal": ""}
        except InputError as error:
            return {"part": None, "refusal": str(error)}
