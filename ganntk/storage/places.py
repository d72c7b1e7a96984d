"""Addresses: which file system and which path a URI means, and its errors as sentences. Layer 1."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TypeAlias

import fsspec

from ganntk.errors import InputError

Uri: TypeAlias = str | os.PathLike[str]
"""A local path, or ``scheme://...`` of any scheme that fsspec knows."""

# Drivers that an extra of ganntk installs; for other schemes fsspec says what is missing.
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}

_DRIVER_ERRORS = (
    ("botocore.exceptions", "BotoCoreError"),
    ("gcsfs.retry", "HttpError"),
    ("gcsfs.retry", "ChecksumError"),
    ("gcsfs.retry", "NonRetryableError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("google.api_core.exceptions", "GoogleAPIError"),
    ("aiohttp.client_exceptions", "ClientError"),
)
"""Modules of drivers and their exceptions."""


def join(uri: Uri, *parts: str) -> str:
    """Put file or folder names below a URI, with one slash between them.

    Args:
        uri: a folder.
        parts: names or relative paths; slashes at their ends do not matter.

    Returns:
        The URI of the file or folder, in the form that `uri` has.

    Example:
        >>> join("s3://bucket/runs/", "a", "config.yaml")
        's3://bucket/runs/a/config.yaml'
    """
    base = os.fspath(uri)
    for part in parts:
        separator = "" if base.endswith("/") or not base else "/"
        base = f"{base}{separator}{part.strip('/')}"
    return base


def locate(uri: Uri) -> tuple[Any, str]:
    """The file system of a URI and the path in it."""
    text = os.fspath(uri)
    if "://" not in text:
        return fsspec.filesystem("file"), os.path.abspath(os.path.expanduser(text))
    scheme = text.split("://", 1)[0]
    try:
        fs, path = fsspec.core.url_to_fs(text)
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        remedy = f"pip install ganntk[{extra}]" if extra else reason(error)
        raise InputError(
            f"the driver for {scheme}:// of {text} is not installed: {remedy}"
        ) from error
    except ValueError as error:
        raise InputError(
            f"cannot use the address {text} ({reason(error)}): "
            "give a path, or s3://, gs:// or another scheme of fsspec"
        ) from error
    except OSError as error:
        raise InputError(
            f"the driver for {scheme}:// of {text} cannot start ({reason(error)}): install what it "
            "needs"
        ) from error
    # Another process may have written since this one last looked.
    fs.invalidate_cache()
    return fs, path


@contextlib.contextmanager
def reading(uri: Uri) -> Iterator[None]:
    """Turn the errors of reading into sentences."""
    text = os.fspath(uri)
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"no file at {text}: check the path") from error
    except IsADirectoryError as error:
        raise InputError(f"{text} is a folder, and a file was expected: check the path") from error
    except (OSError, *driver_errors()) as error:
        raise InputError(
            f"cannot open {text} ({reason(error)}): check its permissions and your credentials"
        ) from error


def arrow_file_system(uri: Uri) -> tuple[Any, str]:
    """A folder as libraries of Arrow take it: a file system of pyarrow, and the path in it.

    Every store is reached through its driver for fsspec, with the credentials of our own files.

    Raises:
        InputError: the scheme is unknown or its driver is missing.
    """
    from pyarrow.fs import FSSpecHandler, LocalFileSystem, PyFileSystem

    fs, path = locate(uri)
    if "://" not in os.fspath(uri):
        return LocalFileSystem(), path
    return PyFileSystem(FSSpecHandler(fs)), path


def driver_errors() -> tuple[type[Exception], ...]:
    """What drivers raise that is no `OSError`: missing credentials, an unknown region."""
    known = (getattr(sys.modules.get(module), name, None) for module, name in _DRIVER_ERRORS)
    return tuple(error for error in known if error is not None)


def reason(error: BaseException) -> str:
    """The first line of an error, or its kind where it says nothing."""
    text = (getattr(error, "strerror", None) or str(error)).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
