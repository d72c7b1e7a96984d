"""Small files in the layouts of the data sets, made of random pictures."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("Bald", "Male", "5_o_Clock_Shadow")


def picture(number: int, height: int = 12, width: int = 10, channels: int = 3) -> np.ndarray:
    """A picture whose brightness says its number."""
    noise = np.random.default_rng(number).integers(0, 9, (height, width, channels))
    return (20 * number + noise).astype(np.uint8)


def encoded(array: np.ndarray, kind: str = "PNG") -> bytes:
    """A picture as a file."""
    stream = io.BytesIO()
    Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).save(stream, kind)
    return stream.getvalue()


def write(path: Path, number: int, *, height: int = 12, width: int = 10, channels: int = 3) -> None:
    """Save a picture, without a loss whatever its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(picture(number, height, width, channels)))


def numbers(rows: np.ndarray) -> list[int]:
    """Which pictures rows were made of."""
    return (rows.reshape(len(rows), -1).mean(axis=1) * 255 // 20).astype(int).tolist()


def celeba(folder: Path, count: int = 8) -> str:
    """CelebA with so many faces: `Male` of odd numbers, `Bald` of those from 4 on."""
    lines = [str(count), " ".join(NAMES) + " "]
    for number in range(count):
        write(folder / "img_align_celeba" / f"{number:06d}.jpg", number)
        holds = (number >= 4, number % 2 == 1, number == 0)
        lines.append(f"{number:06d}.jpg " + " ".join(" 1" if one else "-1" for one in holds))
    (folder / "Anno").mkdir(parents=True)
    (folder / "Anno" / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
    return str(folder)


def imagenet(folder: Path) -> str:
    """Three daisies, two cranes that are birds and two that are machines."""
    train = folder / "ILSVRC" / "Data" / "CLS-LOC" / "train"
    for place, (wnid, count) in enumerate((("n2", 3), ("n1", 2), ("n3", 2))):
        for number in range(count):
            write(train / wnid / f"{wnid}_{number}.JPEG", 4 * place + number)
    index = '{"985": ["n2", "daisy"], "134": ["n1", "crane"], "517": ["n3", "crane"]}'
    (folder / "imagenet_class_index.json").write_text(index)
    return str(folder)


def remains(folder: str) -> list[Path]:
    """The files below a local folder, those whose writing was cut off included."""
    return [path for path in Path(folder).rglob("*") if path.is_file()]
