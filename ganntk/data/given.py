"""Rows that another source has made, as a source that can be converted. Layer 2."""

from dataclasses import dataclass, field

from ganntk.data.base import Source
from ganntk.data.contents import Contents, in_memory
from ganntk.data.digits import Digits
from ganntk.data.stored import Stored


@dataclass(frozen=True)
class Given(Stored):
    """All rows of another source, such as a mixture, in the order in which it gives them.

    Attributes:
        of: the source.
    """

    of: Source = field(default_factory=Digits)

    def contents(self) -> Contents:
        """Load the rows."""
        found = self.of.load()
        return Contents(
            found.name, len(found.rows), in_memory(found.rows, found.name), found.labels
        )


def stored(source: Source) -> Stored:
    """The source itself where it can say what it holds; otherwise its rows."""
    return source if isinstance(source, Stored) else Given(of=source)
