"""Networks in compiled code: the distances of pairs, on CPUs and on NVIDIA GPUs.

What tiles of XLA operations do for any device, done for one pair of rows after another: feature
maps stay in the cache, and nothing is compiled when a run starts.
"""

from ganntk.kernels.native.calls import is_available
from ganntk.kernels.native.engine import Layers, block, pullback, serves

__all__ = ["Layers", "block", "is_available", "pullback", "serves"]
