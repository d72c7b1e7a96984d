"""The published Inception network of the FID, with weights that the person gives. Layer 2.

torch-fidelity, the extra `ganntk[fid]`, holds the network, without the file of its weights.
"""

import importlib
import io
import pickle
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganntk import storage
from ganntk.errors import InputError
from ganntk.features.base import Extractor, check_images

WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
"""The published file: release v0.2.0 of github.com/toshas/torch-fidelity has it."""

_LAYER = "2048"
_BLOCK = 50


@Extractor.register("inception")
@dataclass(frozen=True)
class Inception(Extractor):
    """The 2048 numbers of the network's last pooling: distances in them are the FID and the KID.

    Attributes:
        location: the file of the weights, on any storage.
    """

    @property
    def name(self) -> str:
        return "Inception (FID)"

    def extract(self, rows: np.ndarray) -> np.ndarray:
        check_images(rows, what="features of the Inception network")
        content = self._weights()
        torch = _module("torch")
        network = _network(content)
        # The published protocol: bytes, three channels, channels first.
        pixels = np.round(np.clip(rows, 0, 1) * 255).astype(np.uint8)
        pixels = np.broadcast_to(pixels, (*rows.shape[:3], 3)).transpose(0, 3, 1, 2)
        parts = []
        with torch.no_grad():
            for first in range(0, len(pixels), _BLOCK):
                block = torch.from_numpy(np.ascontiguousarray(pixels[first : first + _BLOCK]))
                parts.append(network(block)[0].numpy())
        return np.concatenate(parts).astype(np.float32)

    def _weights(self) -> bytes:
        """The content of the file, or where to get it."""
        if not self.location or not storage.exists(self.location):
            given = f"there is none at {self.location}" if self.location else "none was given"
            raise InputError(
                f"the FID needs the weights of the published Inception network and {given}: get "
                f"{WEIGHTS} from release v0.2.0 of toshas/torch-fidelity on GitHub and say "
                "--features inception:PATH, or use random or classifier:IMAGES, whose distances "
                "are no FID"
            )
        return storage.read_bytes(self.location)


def _network(weights: bytes) -> Any:
    """The network with these weights, ready for bytes."""
    torch = _module("torch")
    extractor = _module("torch_fidelity.feature_extractor_inceptionv3")
    try:
        # A file that holds more than arrays is refused here: torch-fidelity would execute it.
        torch.load(io.BytesIO(weights), weights_only=True, map_location="cpu")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / WEIGHTS  # torch-fidelity reads a local file only
            path.write_bytes(weights)
            return extractor.FeatureExtractorInceptionV3(
                "inception", [_LAYER], feature_extractor_weights_path=str(path)
            )
    except (RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise InputError(
            f"the weights of the Inception network cannot be loaded ({reason}): give the file "
            f"{WEIGHTS} of torch-fidelity"
        ) from error


def _module(name: str) -> Any:
    """A module of the extra."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"the FID needs {name.split('.')[0]}: pip install 'ganntk[fid]', or use --features "
            "random or classifier:IMAGES, whose distances are no FID"
        ) from error
