"""A folder of pictures, with a subfolder for each class or without any. Layer 2."""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ganntk import storage
from ganntk.data.base import Source
from ganntk.data.contents import Contents, in_files
from ganntk.data.pictures import SUFFIXES
from ganntk.data.stored import Stored
from ganntk.errors import InputError


@Source.register("folder")
@dataclass(frozen=True)
class Folder(Stored):
    """Pictures below a folder, at any depth, in the order of their names.

    Where every picture lies in a subfolder, the first subfolder is its class. Hidden files and
    files of other kinds are passed over.

    Attributes:
        uri: the folder.
    """

    uri: str | None = None

    def contents(self) -> Contents:
        """List the pictures."""
        if self.uri is None:
            raise InputError("the data source folder has no uri: give a folder of pictures")
        uris = pictures_below(self.uri)
        root = len(self.uri.rstrip("/")) + 1
        folders = [uri[root:].split("/")[0] if "/" in uri[root:] else "" for uri in uris]
        labels, names = None, {}
        if all(folders):
            known, labels = np.unique(folders, return_inverse=True)
            names = dict(enumerate(known.tolist()))
        name = posixpath.basename(self.uri.rstrip("/")) or self.uri
        return Contents(name, len(uris), in_files(uris), labels, class_names=names, files=uris)


def pictures_below(uri: str) -> Sequence[str]:
    """The picture files below a folder, in the order of their names.

    Raises:
        InputError: there are none, or `uri` is one file.
    """
    found = storage.list_files(uri)
    root = len(uri.rstrip("/")) + 1
    kept = [one for one in found if one.lower().endswith(SUFFIXES) and "/." not in f"/{one[root:]}"]
    if found == [uri]:
        raise InputError(f"{uri} is one file, and a folder of pictures was expected")
    if not kept:
        others = f"{len(found)} files of other kinds" if found else "no files"
        raise InputError(
            f"there are no pictures below {uri} ({others}): check the address, or use the source "
            "that reads such files"
        )
    return kept
