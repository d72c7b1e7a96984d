"""Files by URI: paths are local, ``scheme://`` is any store that fsspec knows. Layer 1.

The only package that imports fsspec. A file appears whole or not at all: local files by renaming a
sibling, objects by one put. Bad addresses and missing files are an `InputError` with one sentence.
"""

from ganntk.storage.files import (
    exists,
    list_files,
    make_folder,
    open_read,
    open_write,
    read_bytes,
    read_table,
    read_text,
    write_bytes,
    write_new,
    write_table,
    write_text,
)
from ganntk.storage.log import AppendLog
from ganntk.storage.parquet import read_footer, read_row_groups
from ganntk.storage.places import Uri, arrow_file_system, driver_errors, join, reason
from ganntk.storage.trees import (
    files_below,
    folders_in,
    get_file,
    is_local,
    patiently,
    put_file,
    read_if_there,
    remove,
    sha256_of,
    size_of,
)

__all__ = [
    "AppendLog",
    "Uri",
    "arrow_file_system",
    "driver_errors",
    "exists",
    "files_below",
    "folders_in",
    "get_file",
    "is_local",
    "join",
    "list_files",
    "make_folder",
    "open_read",
    "open_write",
    "patiently",
    "put_file",
    "read_bytes",
    "read_footer",
    "read_if_there",
    "read_row_groups",
    "read_table",
    "read_text",
    "reason",
    "remove",
    "sha256_of",
    "size_of",
    "write_bytes",
    "write_new",
    "write_table",
    "write_text",
]
