"""``ganntk evaluate``: the quality of a run, beside three baselines. Layer 8."""

import argparse
import json
from typing import TextIO

from ganntk.cli.command import Commands, plain
from ganntk.errors import InputError

DEFAULT_FEATURES = ("random",)
_POINT_FEATURES = ("pixels",)


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "evaluate",
        help="measure a run's rows beside training, held-out and noisy rows",
        allow_abbrev=False,
    )
    _add_options(parser)
    parser.set_defaults(command=plain(evaluate))


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_uri", help="the run's folder, on any storage")
    data = "an IDX, npy or npz file, `digits`, or a mapping as in a configuration"
    parser.add_argument(
        "--reference", metavar="URI", required=True, help=f"real rows to compare with: {data}"
    )
    parser.add_argument(
        "--held-out",
        metavar="URI",
        help="fresh real rows for the baseline; without it some of the reference are set aside",
    )
    parser.add_argument(
        "--features",
        metavar="URI",
        action="append",
        help="pixels, random, classifier:LABELLED_IMAGES or inception:WEIGHTS; may be repeated",
    )
    parser.add_argument(
        "--noise", type=float, default=0.1, help="standard deviation, for the noisy baseline"
    )
    parser.add_argument("--seed", type=int, default=0, help="of that noise, and of the choice")
    parser.add_argument(
        "--cache",
        metavar="URI",
        help="folder for trained classifiers; `features` beside the run folder without it",
    )
    parser.add_argument(
        "--publish",
        metavar="ADDRESS",
        help="also send the numbers to the monitoring of a Ray cluster, `auto` in one of its jobs",
    )


def evaluate(options: argparse.Namespace, out: TextIO) -> None:
    """Measure, write `quality.json` and the report, and print the tables."""
    # Imported here: asking for help must not wait for JAX.
    from ganntk import config, evaluation, report
    from ganntk.data import Mixture, mixture_modes
    from ganntk.data.located import source_of
    from ganntk.features import open_extractor
    from ganntk.run_folder import CONFIG, QUALITY, RunFolder

    if options.seed < 0:
        raise InputError(f"--seed is {options.seed}: give 0 or a positive whole number")
    folder = RunFolder.open(options.run_uri)
    source = config.load(folder.path(CONFIG)).data
    modes = mixture_modes(source.modes) if isinstance(source, Mixture) else None
    usual = DEFAULT_FEATURES if modes is None else _POINT_FEATURES
    cache = options.cache or _beside(options.run_uri)
    protocol = evaluation.Protocol(
        [open_extractor(uri, cache_uri=cache) for uri in options.features or usual],
        noise=options.noise,
        seed=options.seed,
        modes=modes,
    )
    reference = source_of(options.reference).load()
    held_out = None if options.held_out is None else source_of(options.held_out).load()
    quality = evaluation.evaluate(options.run_uri, reference, held_out, protocol)
    if options.publish is not None:
        from ganntk.distributed.publishing import publish_quality

        publish_quality(options.run_uri, quality, options.publish)
    written = {"quality": folder.path(QUALITY), "report": report.write(options.run_uri)}
    out.write(f"{evaluation.text_of(quality)}\n\n{json.dumps(written)}\n")


def _beside(run_uri: str) -> str:
    """The folder ``features`` beside a run: runs of one data set share a classifier."""
    parent, slash, _ = run_uri.rstrip("/").rpartition("/")
    return f"{parent}{slash}features"
