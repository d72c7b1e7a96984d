"""ganntk: synthesise images from few images with neural tangent kernels.

Importing it starts neither Ray nor a device.
"""

from ganntk import discriminator, generators, kernels, lam, objectives
from ganntk.errors import InputError, NonFiniteObjectiveError
from ganntk.facade import SynthesisResult, synthesize

__version__ = "0.1.0"

__all__ = [
    "InputError",
    "NonFiniteObjectiveError",
    "SynthesisResult",
    "discriminator",
    "generators",
    "kernels",
    "lam",
    "objectives",
    "synthesize",
]
