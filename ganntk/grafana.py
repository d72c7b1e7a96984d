"""Grafana's HTTP interface, as far as dashboards need it; the one importer of grafana_api. Layer 4.

The package is small and no longer kept: what of it is used stands in `Grafana._call`, so that its
author's successor, grafana-client, could take its place.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from ganntk.errors import InputError

TOKEN_VARIABLE = "GRAFANA_TOKEN"

_REASONS = {
    401: "it does not know the token, or the token has expired: make another one in Grafana under "
    "Administration, Service accounts",
    403: "the token may not do that: its service account needs the role Editor, and Admin for a "
    "data source",
    404: "there is no such thing: is this the address of a Grafana, with the path that it is under",
    409: "something else with that name is there: rename one of them, or choose another --folder",
    412: "something of that name was made or changed by somebody else: rename or remove it in "
    "Grafana, then push again",
}


@dataclass(frozen=True)
class Change:
    """What a push does, or would do, to one thing.

    Attributes:
        kind: folder, data source or dashboard.
        name: of it.
        action: ``create``, ``update`` or ``keep``.
    """

    kind: str
    name: str
    action: str


class GrafanaError(InputError):
    """Grafana refused, or did not answer: one sentence, without the token.

    Args:
        sentence: for a person.
        status: of HTTP, or 0 where nothing answered.
    """

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status


class Grafana:
    """A Grafana that somebody has a token for.

    Args:
        url: such as ``https://grafana.example.org/path``.
        token: of a service account; it is never part of a message.
        timeout_seconds: for each call.
        is_dry: whether to look only.

    Raises:
        InputError: the address or the token cannot be one.
    """

    def __init__(
        self, url: str, token: str, *, timeout_seconds: float = 20.0, is_dry: bool = False
    ) -> None:
        self._url, self._is_dry, self._timeout = url, is_dry, timeout_seconds
        host, port, path, scheme = _parts(url)
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise InputError(
                "the token is empty or has characters that no token has: copy it again, into the "
                f"environment variable {TOKEN_VARIABLE}"
            )
        try:
            from grafana_api.grafana_api import GrafanaAPI
        except ModuleNotFoundError as error:
            raise InputError(
                "the package grafana-api is missing: `pip install 'ganntk[grafana]'`"
            ) from error
        self._api = GrafanaAPI(
            token,
            host=host,
            port=port,
            url_path_prefix=path,
            protocol=scheme,
            timeout=timeout_seconds,
        )

    def folder(self, title: str) -> tuple[str, Change]:
        """The uid of a folder, which is made where there is none of that title."""
        for each in self._call("GET", "/folders?limit=1000"):
            if each["title"] == title:
                return each["uid"], Change("folder", title, "keep")
        uid = f"ganntk-{_slug(title)}"
        if not self._is_dry:
            uid = self._call("POST", "/folders", {"uid": uid, "title": title})["uid"]
        return uid, Change("folder", title, "create")

    def data_source(self, wanted: Mapping[str, Any]) -> Change:
        """A data source by its uid: what is wanted of it is so afterwards."""
        uid, name = wanted["uid"], wanted["name"]
        there = self._found(f"/datasources/uid/{quote(uid)}")
        if there is None:
            self._write("POST", "/datasources", wanted)
            return Change("data source", name, "create")
        # Everything that is not ours stays: somebody may have given it a password, or headers.
        merged = _merged(there, wanted)
        if merged == there:
            return Change("data source", name, "keep")
        self._write("PUT", f"/datasources/uid/{quote(uid)}", merged)
        return Change("data source", name, "update")

    def dashboard(self, wanted: Mapping[str, Any], folder: str) -> Change:
        """A dashboard by its uid, in a folder by its uid."""
        there = self._found(f"/dashboards/uid/{quote(wanted['uid'])}")
        title, action = wanted["title"], "create" if there is None else "update"
        if there is not None:
            same_place = there["meta"].get("folderUid") == folder
            if same_place and _content(there["dashboard"]) == _content(wanted):
                return Change("dashboard", title, "keep")
        body = {
            "dashboard": {**wanted, "id": None},
            "folderUid": folder,
            "message": "ganntk dashboards push",
            # It is known by its uid: what somebody changed by hand in ours is replaced.
            "overwrite": True,
        }
        self._write("POST", "/dashboards/db", body)
        return Change("dashboard", title, action)

    def _found(self, path: str) -> Any:
        """What is at a path, or None."""
        try:
            return self._call("GET", path)
        except GrafanaError as error:
            if error.status == 404:
                return None
            raise

    def _write(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        if not self._is_dry:
            self._call(method, path, body)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One request; whatever goes wrong is one sentence."""
        import requests
        from grafana_api.grafana_api import GrafanaException

        what = f"{self._url}: {method} /api{path.partition('?')[0]}"
        try:
            return getattr(self._api, method)(path, json=body)
        except GrafanaException as error:
            raise GrafanaError(
                f"{what} was answered with {error.status_code}: {_reason(error)}", error.status_code
            ) from None  # its arguments hold the whole answer
        except requests.Timeout:
            raise GrafanaError(
                f"{what} was not answered within {self._timeout:g} s: try again, or give it more "
                "with --timeout"
            ) from None
        except requests.exceptions.JSONDecodeError:
            raise GrafanaError(
                f"{what} was answered with no JSON: is this a Grafana, or a page "
                "to log in before it?"
            ) from None
        except requests.RequestException as error:
            raise GrafanaError(
                f"{what} failed ({type(error).__name__}): is the address right, and does Grafana "
                "run there?"
            ) from None


def _parts(url: str) -> tuple[str, int | None, str, str]:
    """Host, port, path and scheme of an address."""
    wrong = InputError(
        f"{_shown(url)!r} is not an address of a Grafana: give one such as http://127.0.0.1:3000, "
        f"without a user or a password, and the token in {TOKEN_VARIABLE}"
    )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise wrong
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    path = parts.path.strip("/")
    return host, port, f"{path}/" if path else "", parts.scheme


def _shown(url: str) -> str:
    """An address without what may be a password."""
    return url.rpartition("@")[2]


def _reason(error: Any) -> str:
    """Why, from the status and Grafana's own first line."""
    response = error.response
    said = response.get("message", "") if isinstance(response, dict) else ""
    said = " ".join(str(said).split())[:200]
    known = _REASONS.get(error.status_code, "")
    if error.status_code >= 500:
        known = "something is wrong with it or before it: try again later, and look at its log"
    return "; ".join(filter(None, (f"it says {said!r}" if said else "", known))) or "no reason"


def _content(dashboard: Mapping[str, Any]) -> dict[str, Any]:
    """A dashboard without what Grafana counts by itself."""
    return {name: value for name, value in dashboard.items() if name not in ("id", "version")}


def _merged(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What is there with what is wanted of it, in the mappings within it as well."""
    found = dict(there)
    for key, value in wanted.items():
        has_both = isinstance(value, Mapping) and isinstance(there.get(key), Mapping)
        found[key] = _merged(there[key], value) if has_both else value
    return found


def _slug(title: str) -> str:
    """The letters and digits of a title, for a uid."""
    kept = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in title)
    kept = kept.lower().strip("-")[:30]
    # A title in other letters: two of them must not have one uid.
    return kept or hashlib.sha256(title.encode()).hexdigest()[:16]
