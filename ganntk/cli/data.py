"""``ganntk data convert`` and ``ganntk data describe``. Layer 8."""

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from ganntk.cli.command import Commands, plain

if TYPE_CHECKING:
    from ganntk.data.conversion import Conversion, Part

MANY_FILES = 20_000
"""From so many picture files on, a conversion starts a Ray of its own."""

_SOURCE = (
    "a file or folder (pictures, Parquet, IDX, npy, npz, CIFAR-10, CelebA, ImageNet), or a mapping "
    "as in a configuration: '{type: celeba, uri: ..., side: 64, crop: square}'"
)
_SHEET_ROWS = 64


def add_to(commands: Commands) -> None:
    """Declare the two commands and what they take."""
    parser = commands.add_parser("data", help="describe a source, or convert it")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    convert = actions.add_parser(
        "convert", help="write any source as Parquet files", allow_abbrev=False
    )
    convert.add_argument("source", metavar="SRC", help=_SOURCE)
    convert.add_argument("destination", metavar="DST", help="an empty folder, on any storage")
    convert.add_argument(
        "--skip-broken", action="store_true", help="leave broken pictures out, and list them"
    )
    convert.add_argument("--rows-per-part", metavar="N", type=int, help="rows of a Parquet file")
    convert.add_argument("--terms", metavar="TEXT", help="under which terms the data may be used")
    convert.add_argument(
        "--address",
        metavar="RAY",
        help="local, auto, an address of Ray, or none; without it none, and local for many files",
    )
    convert.set_defaults(command=plain(_convert))
    describe = actions.add_parser(
        "describe", help="say what a source holds, with a contact sheet", allow_abbrev=False
    )
    describe.add_argument("source", metavar="SRC", help=_SOURCE)
    describe.add_argument(
        "--sheet", metavar="PNG", default="contact-sheet.png", help="where the picture goes"
    )
    describe.set_defaults(command=plain(_describe))


def _convert(options: argparse.Namespace, out: TextIO) -> None:
    # Imported here: asking for help must not wait for Arrow.
    from ganntk.data import conversion
    from ganntk.data.detection import source_at
    from ganntk.data.given import stored

    began = time.monotonic()
    source = stored(source_at(options.source))
    planned = conversion.begin(
        source, options.destination, rows_per_part=options.rows_per_part, terms=options.terms
    )
    with contextlib.ExitStack() as stack:
        on_part = stack.enter_context(_progress(planned.count))
        parts = _parts(planned, options.address, stack)
        manifest = conversion.convert(
            planned, parts, skip_broken=options.skip_broken, on_part=on_part
        )
    for one in manifest["skipped"]:
        sys.stderr.write(f"left out: {one['reason']}\n")
    seconds = time.monotonic() - began
    result = {
        "uri": options.destination,
        "rows": manifest["rows"],
        "skipped": len(manifest["skipped"]),
        "parts": len(manifest["parts"]),
        "shape": manifest["shape"],
        "fingerprint": manifest["fingerprint"],
        "seconds": round(seconds, 3),
        "images_per_second": round(manifest["rows"] / seconds, 1),
    }
    out.write(json.dumps(result) + "\n")


def _parts(
    planned: "Conversion", address: str | None, stack: contextlib.ExitStack
) -> "Iterator[Part] | None":
    """Parts that a Ray writes, or None to write them in this process."""
    from ganntk.data import conversion

    if address is None:
        address = "local" if len(planned.contents.files) >= MANY_FILES else "none"
    if address == "none":
        return None
    try:
        from ganntk.distributed.conversion import parts_by_ray

        return stack.enter_context(parts_by_ray(planned, address))
    except BaseException:
        conversion.discard(planned.uri)
        raise


def _describe(options: argparse.Namespace, out: TextIO) -> None:
    from ganntk.data.description import describe
    from ganntk.data.detection import source_at
    from ganntk.data.given import stored

    described = describe(stored(source_at(options.source)), shown=_SHEET_ROWS)
    out.write("".join(f"{name:<12} {value}\n" for name, value in described.lines))
    out.write(f"{'sheet':<12} {_write_sheet(options.sheet, described.sample)}\n")


def _write_sheet(uri: str, sample: Any) -> str:
    from ganntk import images, storage

    storage.write_bytes(uri, images.to_png(images.picture_of(sample)))
    return uri


@contextlib.contextmanager
def _progress(count: int) -> "Iterator[Callable[[Part], None]]":
    """A bar on a terminal, a line for every few seconds elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    console, done = Console(stderr=True), 0
    if not console.is_terminal:
        began = last = time.monotonic()

        def line(part: "Part") -> None:
            nonlocal done, last
            done += part.rows + len(part.broken)
            if (now := time.monotonic()) - last > 5 or done >= count:
                last = now
                rate = done / max(now - began, 1e-9)
                sys.stderr.write(f"{done}/{count} images  {rate:.0f} images/s\n")
                sys.stderr.flush()

        yield line
        return
    columns = (TextColumn("converting"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("converting", total=count)
        yield lambda part: bar.advance(task, part.rows + len(part.broken))
