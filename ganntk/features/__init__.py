"""From images to the features that distances are measured in. Layer 2, above the data.

An extractor is one file in this package that registers a frozen dataclass with
`Extractor.register`. Its name goes with every number: a distance in one extractor's features says
nothing beside one in another's.
"""

from ganntk.features.base import Extractor, Features, open_extractor

__all__ = ["Extractor", "Features", "open_extractor"]
