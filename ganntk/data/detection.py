"""What kind of data lies at an address, told by looking there. Layer 2."""

from collections.abc import Callable

from ganntk import storage
from ganntk.data.base import Source
from ganntk.data.celeba import CelebA
from ganntk.data.cifar10 import Cifar10
from ganntk.data.folder import Folder
from ganntk.data.imagenet import ImageNet
from ganntk.data.located import source_of
from ganntk.data.parquet import Parquet
from ganntk.errors import InputError

# Looked for in this order: the first folder or file that is there decides.
_MARKS: tuple[tuple[str, Callable[[str], Source]], ...] = (
    ("data_batch_1", lambda uri: Cifar10(uri=uri)),
    ("batches.meta", lambda uri: Cifar10(uri=uri)),
    ("img_align_celeba", lambda uri: CelebA(uri=uri)),
    ("Img/img_align_celeba", lambda uri: CelebA(uri=uri)),
    ("ILSVRC", lambda uri: ImageNet(uri=uri)),
)
_IDX = "train-images-idx3-ubyte"


def source_at(text: str) -> Source:
    """The source that a word or an address means.

    Args:
        text: what `source_of` knows: an IDX, npy or npz file, the name of a source, a mapping; or
            a Parquet file, or a folder with Parquet files, CIFAR-10, CelebA, ImageNet, the files of
            MNIST, or any pictures.

    Raises:
        InputError: there is nothing of that kind.
    """
    name = text.rstrip("/").rsplit("/", 1)[-1]
    if text.lstrip().startswith("{") or name.endswith((".npz", ".npy")):
        return source_of(text)
    if name.endswith((".parquet", ".pq")):
        return Parquet(uri=text)
    if not _is_folder(text):
        return source_of(text)
    return _of_folder(text)


def _of_folder(uri: str) -> Source:
    """The source of a folder, by what is in it."""
    for mark, make in _MARKS:
        if storage.exists(storage.join(uri, mark)):
            return make(uri)
    for name in (_IDX, f"{_IDX}.gz"):
        if storage.exists(there := storage.join(uri, name)):
            return source_of(there)
    if storage.list_files(uri, suffix=".parquet"):
        return Parquet(uri=uri)
    found = Folder(uri=uri)
    found.contents()
    return found


def _is_folder(uri: str) -> bool:
    """Whether there are files below an address, which is none itself."""
    if not storage.exists(uri):
        if "/" in uri or "." in uri:
            raise InputError(f"there is nothing at {uri}: check the address")
        return False
    return storage.list_files(uri) != [uri]
