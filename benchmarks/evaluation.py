"""What it takes to judge 2,048 generated rows by 10,000 real ones: seconds and peak memory.

``python -m benchmarks.evaluation IMAGES [--features random pixels ...]``: a file, or a mapping as
in a configuration, of at least 16,144 images, the first 2,048 of which stand for generated ones:
what they show does not change the time. Each line is a process of its own; loading is not counted.
"""

import argparse
import time

from benchmarks.harness import alone, duration, gigabytes, machine, peak_bytes, table
from ganntk.data.located import source_of
from ganntk.evaluation import Protocol, choose, measure
from ganntk.evaluation.novelty import similarities
from ganntk.features import open_extractor

_GENERATED, _REAL = 2048, 10_000
_SIMILARITY = f"SSIM of {_GENERATED:,} to the most similar of {_REAL:,}"


def in_features(images: str, features: str, cache: str) -> list[float]:
    """All that `ganntk evaluate` measures in one kind of features, and SSIM to as many rows."""
    rows = source_of(images).load().rows
    begun = time.perf_counter()
    generated, training, rest = rows[:_GENERATED], rows[_GENERATED : 2 * _GENERATED], rows[4096:]
    sets = choose(
        generated, training, rest[:_REAL], rest[_REAL : _REAL + _GENERATED], noise=0.1, seed=0
    )
    measure(sets, Protocol([open_extractor(features, cache_uri=cache)]), name="real")
    return [time.perf_counter() - begun, peak_bytes()]


def by_similarity(images: str) -> list[float]:
    """The most similar real image of each."""
    rows = source_of(images).load().rows
    begun = time.perf_counter()
    similarities(rows[:_GENERATED], rows[_GENERATED : _GENERATED + _REAL])
    return [time.perf_counter() - begun, peak_bytes()]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images")
    parser.add_argument("--features", nargs="+", default=["random", "pixels"])
    parser.add_argument("--cache", default="runs/features", help="folder of trained classifiers")
    given = parser.parse_args()
    print(machine("cpu"))
    cases = {each: alone(in_features, given.images, each, given.cache) for each in given.features}
    cases[_SIMILARITY] = alone(by_similarity, given.images)
    lines = [
        [name, found, "-"]
        if isinstance(found, str)
        else [name, duration(found[0]), gigabytes(found[1])]
        for name, found in cases.items()
    ]
    print(table(["what", "time", "peak memory"], lines))


if __name__ == "__main__":
    main()
