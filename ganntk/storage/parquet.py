"""Parts of Parquet files: footers, and some columns of some row groups. Layer 1."""

import contextlib
import os
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from ganntk.errors import InputError
from ganntk.storage.files import open_read
from ganntk.storage.places import Uri, reason
from ganntk.storage.trees import patiently


def read_footer(uri: Uri) -> tuple[pa.Schema, pq.FileMetaData]:
    """Read what a Parquet file says of itself, from its end.

    Raises:
        InputError: there is no such file, or it is not Parquet.
    """

    def read() -> tuple[pa.Schema, pq.FileMetaData]:
        with open_read(uri) as stream, _sentences(uri):
            file = pq.ParquetFile(stream)
            return file.schema_arrow, file.metadata

    return patiently(read, f"reading the footer of {os.fspath(uri)}")


def read_row_groups(
    uri: Uri,
    groups: Sequence[int],
    columns: Sequence[str],
    *,
    footer: pq.FileMetaData | None = None,
) -> pa.Table:
    """Read some columns of some row groups, and nothing else of the file.

    Args:
        uri: a Parquet file.
        groups: numbers of row groups, in the order in which they are wanted.
        columns: names of columns.
        footer: of the file, where it is known: it is then not read again.

    Raises:
        InputError: there is no such file, or it is damaged.
    """

    def read() -> pa.Table:
        with open_read(uri) as stream, _sentences(uri):
            file = pq.ParquetFile(stream, metadata=footer)
            return file.read_row_groups(list(groups), columns=list(columns))

    return patiently(read, f"reading {os.fspath(uri)}")


@contextlib.contextmanager
def _sentences(uri: Uri) -> Iterator[None]:
    """Arrow's errors as sentences; what a store raises passes."""
    try:
        yield
    except pa.ArrowInvalid as error:
        raise InputError(
            f"{os.fspath(uri)} is not a whole Parquet file ({reason(error)}): check the path, or "
            "copy it again"
        ) from error
    except (pa.ArrowException, OSError) as error:
        # A damaged page is an OSError of Arrow, without the number that one of the system has.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError(f"{os.fspath(uri)} is damaged ({reason(error)}): copy it again") from error
