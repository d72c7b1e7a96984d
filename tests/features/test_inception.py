"""The published network through torch-fidelity, with weights of no use but of the right shape."""

import numpy as np
import pytest

from ganntk.errors import InputError
from ganntk.features import open_extractor

torch = pytest.importorskip("torch", reason="needs the extra ganntk[fid]")
fidelity = pytest.importorskip(
    "torch_fidelity.feature_extractor_inceptionv3", reason="needs the extra ganntk[fid]"
)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The network with random weights, and the file that holds them."""
    torch.manual_seed(0)
    uri = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save({}, uri)
    kind = fidelity.FeatureExtractorInceptionV3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "load_state_dict", lambda *_: None)
        made = kind("inception", ["2048"], feature_extractor_weights_path=str(uri))
    torch.save(made.state_dict(), uri)
    return made, str(uri)


def test_features_are_those_of_the_network_for_the_bytes_of_the_images(network):
    made, uri = network
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 30, 3), dtype=np.uint8)
    found = open_extractor(f"inception:{uri}").extract(pixels.astype(np.float32) / 255)
    assert found.shape == (3, 2048)
    with torch.no_grad():
        expected = made(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()))[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_grey_images_are_shown_in_three_equal_channels(network):
    grey = np.random.default_rng(1).random((2, 28, 28, 1)).astype(np.float32)
    extractor = open_extractor(f"inception:{network[1]}")
    colour = np.repeat(grey, 3, axis=-1)
    np.testing.assert_array_equal(extractor.extract(grey), extractor.extract(colour))


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_file_that_would_be_executed_is_refused(tmp_path):
    torch.save(Payload(tmp_path / "executed"), tmp_path / "bad.pth")
    with pytest.raises(InputError, match="cannot be loaded"):
        open_extractor(f"inception:{tmp_path / 'bad.pth'}").extract(
            np.zeros((2, 28, 28, 1), np.float32)
        )
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("content", [b"", b"no weights at all"])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "other.pth").write_bytes(content)
    with pytest.raises(InputError, match="cannot be loaded"):
        open_extractor(f"inception:{tmp_path / 'other.pth'}").extract(
            np.zeros((2, 28, 28, 1), np.float32)
        )


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="give the file"):
        open_extractor(f"inception:{tmp_path / 'other.pth'}").extract(
            np.zeros((2, 28, 28, 1), np.float32)
        )
