"""``ganntk dashboards``: what Grafana and Prometheus show of runs. Layer 8."""

import argparse
import json
import os
from pathlib import Path
from typing import Any, TextIO

import ganntk
from ganntk.cli.command import Commands, plain
from ganntk.errors import InputError
from ganntk.grafana import TOKEN_VARIABLE, Grafana


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("dashboards", help="Grafana's dashboards: build them, push them")
    parser.set_defaults(command=plain(dashboards))
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    build = actions.add_parser(
        "build", help="write dashboards, alerts and provisioning again, into dashboards/"
    )
    build.set_defaults(action=_build)
    push = actions.add_parser(
        "push",
        help="bring folder, data source and dashboards into a Grafana; again changes nothing",
        allow_abbrev=False,
    )
    push.add_argument("--url", required=True, help="such as http://127.0.0.1:3000")
    push.add_argument(
        "--token",
        help=f"of a service account; better in {TOKEN_VARIABLE}, where nobody else reads it",
    )
    push.add_argument("--folder", default="ganntk", help="its title in Grafana")
    push.add_argument(
        "--prometheus",
        metavar="URL",
        help="where Grafana finds Prometheus: makes or updates the data source; without it the "
        "dashboards offer those that are there",
    )
    push.add_argument(
        "--dry-run", action="store_true", help="say what would change, change nothing"
    )
    push.add_argument("--timeout", type=float, default=20.0, help="seconds for each call")
    push.set_defaults(action=_push)


def dashboards(options: argparse.Namespace, out: TextIO) -> None:
    """Carry out the action.

    Raises:
        InputError: the sources are not there, or Grafana refused.
    """
    options.action(options, out)


def _build(options: argparse.Namespace, out: TextIO) -> None:
    build = _builder()
    changed = list(build.write())
    for path in changed:
        out.write(f"wrote {path.relative_to(build.FOLDER.parent)}\n")
    if not changed:
        out.write("everything is as the sources say\n")


def _push(options: argparse.Namespace, out: TextIO) -> None:
    if not options.timeout > 0:
        raise InputError(f"--timeout is {options.timeout:g}: give a positive number of seconds")
    token = options.token or os.environ.get(TOKEN_VARIABLE, "")
    if not token:
        raise InputError(f"there is no token: set {TOKEN_VARIABLE}, or give --token")
    contents = _builder().files()
    grafana = Grafana(options.url, token, timeout_seconds=options.timeout, is_dry=options.dry_run)
    uid, change = grafana.folder(options.folder)
    changes = [change]
    if options.prometheus:
        changes.append(grafana.data_source(_data_source(options.prometheus)))
    for name, text in contents.items():
        if name.endswith(".json"):
            changes.append(grafana.dashboard(json.loads(text), uid))
    for each in changes:
        would = "would " if options.dry_run and each.action != "keep" else ""
        out.write(f"{would}{each.action} {each.kind} {each.name!r}\n")


def _data_source(url: str) -> dict[str, Any]:
    from dashboards import provisioning

    return {**provisioning.prometheus(), "url": url}


def _builder() -> Any:
    """The module that builds, which lies beside the package and is not installed with it."""
    root = Path(ganntk.__file__).resolve().parents[1]
    if not (root / "dashboards" / "build.py").is_file():
        raise InputError(
            f"there is no dashboards/ beside {root / 'ganntk'}: run this from a checkout of the "
            "repository, where `make env` installs ganntk in place"
        )
    from dashboards import build

    return build
