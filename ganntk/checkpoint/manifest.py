"""What a checkpoint says of itself. Layer 4."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from ganntk.errors import CheckpointError

MANIFEST = "manifest.json"
_FORMAT = 1


@dataclass(frozen=True)
class File:
    """One file of a checkpoint.

    Attributes:
        path: below the checkpoint's folder, with slashes.
        size: in bytes.
        sha256: of its content, as hexadecimal digits.
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A committed checkpoint.

    Attributes:
        step: optimiser steps taken.
        fingerprint: of the configuration that decides the numbers.
        data_fingerprint: of the real rows.
        is_temporary: whether it goes once the next one is there.
        created: seconds since 1970, by the writer's clock.
        writer: who wrote it, as in the lease.
        files: all of them.
    """

    step: int
    fingerprint: str
    data_fingerprint: str
    is_temporary: bool
    created: float
    writer: str
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def to_json(self) -> str:
        """The text of the manifest file, with a hash of itself."""
        content = {"format": _FORMAT, **dataclasses.asdict(self)}
        return json.dumps({**content, "sha256": _hash(content)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, uri: str) -> "Manifest":
        """Read what `to_json` wrote.

        Args:
            text: of the file.
            uri: of the file, for the sentence of an error.

        Raises:
            CheckpointError: the text is cut short or was changed.
        """
        damage = CheckpointError(
            f"{uri} is damaged: its checkpoint cannot be used; remove its folder, or restore the "
            "file from a copy"
        )
        try:
            content = json.loads(text)
            claimed = content.pop("sha256")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise damage from error
        if claimed != _hash(content) or content.pop("format") != _FORMAT:
            raise damage
        return cls(**content | {"files": tuple(File(**file) for file in content["files"])})


def _hash(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
