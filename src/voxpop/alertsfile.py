"""The alerts file: who is told of which alerts, and how.

dashboard = "https://voxpop.example.org"       # what links in messages begin with

[receivers.desk]
url = "mailto://user:password@example.org?to=desk@example.org"      # an address of Apprise

[receivers.duty]
url_file = "/run/secrets/pager"                                     # or one that lies in a file

[receivers.bus]
webhook = "https://bus.example.org/alerts"                          # a webhook that is signed
secret_file = "/run/secrets/bus"

[[routes]]                                                          # the first that takes an alert
watchlist = "own"
severity = "serious"
receivers = ["desk", "bus"]
escalate_minutes = 20
escalate_to = ["duty"]
quiet = { zone = "Europe/Zurich", from = "22:00", to = "07:00", unless = "critical" }

[[routes]]
receivers = ["desk"]

[operators]
receivers = ["duty"]                                                # told of silent feeds, drift and jobs that fail

[standing]
sources = ["Exchange Notices"]                                      # one negative story of theirs is enough

[[reports]]
kind = "morning"                                                    # or "weekly", on a weekday = "monday"
watchlist = "own"                                                   # or "all", or a sector
receivers = ["desk"]
zone = "Europe/Zurich"
at = "07:00"
lang = "en"                                                         # or "zh"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from datetime import time
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
import msgspec.inspect

from voxpop.errors import SettingError
from voxpop.notify import Receiver
from voxpop.signals.meaning import OPERATIONAL
from voxpop.signals.routing import Quiet, Route


class Address(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A receiver as the file writes it."""

    url: str = ""
    url_file: str = ""
    webhook: str = ""
    secret: str = ""
    secret_file: str = ""


class Operators(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who runs the installation."""

    receivers: tuple[str, ...] = ()


class Standing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sources whose word counts: regulators, exchanges, a wire."""

    sources: tuple[str, ...] = ()


class Mailing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A report that people get without asking."""

    kind: Literal["morning", "weekly"]
    receivers: tuple[str, ...]
    watchlist: str = "all"
    """``all``, ``own``, or a sector."""
    zone: str = "UTC"
    at: str = "07:00"
    weekday: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = "monday"
    """Of a weekly one."""
    lang: Literal["en", "zh"] = "en"
    pdf: bool = True
    """Attach it as PDF too."""
    empty: bool = False
    """Send it even where nothing happened."""


class File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file as it is written."""

    receivers: dict[str, Address] = {}
    routes: tuple[Route, ...] = ()
    operators: Operators = Operators()
    reports: tuple[Mailing, ...] = ()
    standing: Standing = Standing()
    dashboard: str = ""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The file as it is used. Without one there is no receiver and no route: alerts are stored and shown."""

    receivers: dict[str, Receiver] = {}
    routes: tuple[Route, ...] = ()
    operators: tuple[str, ...] = ()
    reports: tuple[Mailing, ...] = ()
    standing: tuple[str, ...] = ()
    """Sources one negative story of which is enough."""
    dashboard: str = ""


def load(path: str, dashboard: str) -> Rules:
    """The rules of the file at ``path``; those of no file where that is empty.

    Args:
        dashboard: what links begin with where the file does not say.

    Raises:
        SettingError: the file cannot be read, or something in it is wrong; says what and where, and no secret.
    """
    if not path:
        return Rules(dashboard=dashboard)
    try:
        return parse(Path(path).read_text("utf-8"), path, dashboard)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"the alerts file {path} cannot be read: {error}") from error


def parse(source: str, name: str, dashboard: str = "") -> Rules:
    """The rules of a TOML text; ``name`` is what errors call it.

    Raises:
        SettingError: it is malformed.
    """
    try:
        written = tomllib.loads(source)
        file = msgspec.convert(written, File)
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f"the alerts file {name} is malformed: {error}") from error
    except msgspec.ValidationError as error:
        allowed = _allowed(str(error))
        raise SettingError(f"the alerts file {name} is malformed: {error}{allowed}") from error
    receivers = {key: _receiver(key, address, name) for key, address in file.receivers.items()}
    for number, route in enumerate(file.routes, start=1):
        _check(route, f"route {number} of {name}", receivers)
    _known(file.operators.receivers, f"[operators] of {name}", receivers)
    for number, mailing in enumerate(file.reports, start=1):
        _check_mailing(mailing, f"report {number} of {name}", receivers)
    routes = file.routes
    if file.operators.receivers:
        routes = (Route(receivers=file.operators.receivers, rules=OPERATIONAL), *routes)
    return Rules(
        receivers=receivers,
        routes=routes,
        operators=file.operators.receivers,
        reports=file.reports,
        standing=file.standing.sources,
        dashboard=(file.dashboard or dashboard).rstrip("/"),
    )


def _allowed(said: str) -> str:
    """What may stand where msgspec's error ``said`` that something is wrong: the words or the fields of that place."""
    kind, _, place = said.rpartition(" - at `")
    node: Any = msgspec.inspect.type_info(File)
    for step in re.findall(r"\.(\w+)|\[[^]]*\]", place):
        if isinstance(node, msgspec.inspect.StructType) and step:
            node = next((field.type for field in node.fields if field.encode_name == step), node)
        else:
            node = getattr(node, "item_type", None) or getattr(node, "value_type", node)
        node = next((of for of in getattr(node, "types", ()) if not isinstance(of, msgspec.inspect.NoneType)), node)
    if kind.startswith("Invalid enum value") and isinstance(node, msgspec.inspect.LiteralType):
        return f"; it is one of {', '.join(map(str, node.values))}"
    if "unknown field" in said and isinstance(node, msgspec.inspect.StructType):
        return f"; known are {', '.join(field.encode_name for field in node.fields)}"
    return ""


def _receiver(key: str, address: Address, name: str) -> Receiver:
    where = f"receiver {key!r} of {name}"
    given = [bool(address.url), bool(address.url_file), bool(address.webhook)]
    if sum(given) != 1:
        raise SettingError(f"{where} needs exactly one of url, url_file and webhook")
    if address.webhook:
        if not address.webhook.startswith(("http://", "https://")):
            raise SettingError(f"{where}: a webhook begins with https:// or http://")
        secret = address.secret or _secret(address.secret_file, where)
        if not secret:
            raise SettingError(f"{where}: a webhook is signed, so it needs secret or secret_file")
        return Receiver(name=key, url=address.webhook, secret=secret)
    if address.secret or address.secret_file:
        raise SettingError(f"{where}: only a webhook is signed, so only a webhook has a secret")
    url = address.url or _secret(address.url_file, where)
    if "://" not in url:
        raise SettingError(f"{where}: an address begins with its kind, as in mailto://, slack:// or wecombot://")
    return Receiver(name=key, url=url)


def _secret(path: str, where: str) -> str:
    if not path:
        return ""
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"{where}: {path} cannot be read: {error}") from error


def _check(route: Route, where: str, receivers: dict[str, Receiver]) -> None:
    if not route.receivers:
        raise SettingError(f"{where} names no receivers")
    _known((*route.receivers, *route.escalate_to), where, receivers)
    spans = (route.wait_seconds, route.interval_minutes, route.repeat_hours, route.escalate_minutes, route.oldest_hours)
    if min(spans) < 0:
        raise SettingError(f"{where}: a time cannot be negative")
    if route.escalate_to and not route.escalate_minutes:
        raise SettingError(f"{where}: escalate_to needs escalate_minutes")
    if route.quiet is not None:
        _check_quiet(route.quiet, where)


def _known(names: Iterable[str], where: str, receivers: dict[str, Receiver]) -> None:
    for name in names:
        if name not in receivers:
            raise SettingError(f"{where} names the receiver {name!r}, which is not under [receivers]")


def _check_mailing(mailing: Mailing, where: str, receivers: dict[str, Receiver]) -> None:
    if not mailing.receivers:
        raise SettingError(f"{where} names no receivers")
    _known(mailing.receivers, where, receivers)
    check_zone(mailing.zone, where)
    _check_time(mailing.at, where)


def _check_quiet(quiet: Quiet, where: str) -> None:
    check_zone(quiet.zone, where)
    for given in (quiet.start, quiet.end):
        _check_time(given, where)


def check_zone(zone: str, where: str) -> None:
    """Whether there is such a time zone.

    Raises:
        SettingError: there is not.
    """
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise SettingError(f"{where}: {zone!r} is no time zone; one is called Europe/Zurich") from None


def _check_time(given: str, where: str) -> None:
    try:
        zoned = time.fromisoformat(given).tzinfo is not None
    except ValueError:
        zoned = True
    if zoned:
        raise SettingError(f"{where}: {given!r} is no time of day; one is written 22:00")
