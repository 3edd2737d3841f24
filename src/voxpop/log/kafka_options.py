"""What a ``kafka://`` URL says.

    kafka://host:9092,host2:9092                               no encryption
    kafka+ssl://host:9093?ca=ca.pem                            TLS; cert= and key= for a client certificate
    kafka+ssl://user@host:9094?password_file=secret            SASL over TLS
    kafka://user:password@host:9095?mechanism=SCRAM-SHA-256    SASL alone

The options after ``?`` are those of ``OPTIONS``. A password stands in the URL, which is a setting of the environment,
or in the file that ``password_file`` names; it shows in no representation of any object.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from voxpop.errors import SettingError

OPTIONS = {
    "ca": "PEM file of the certificates to trust; without it the system's",
    "cert": "PEM file of this client's certificate",
    "key": "PEM file of its private key",
    "mechanism": "SCRAM-SHA-512 (default), SCRAM-SHA-256 or PLAIN",
    "password_file": "file whose first line is the password",
    "compression": "zstd (default), lz4, gzip or none",
    "replication": "copies of a topic when it is created; without it the broker's default",
    "retention_days": "days that a topic that is created here keeps its records; 30",
    "timeout": "seconds after which a broker that does not answer counts as away; 30",
    "session": "seconds after which a member that fell silent loses its partitions; 45",
    "instance": "name of this process in its groups: a restart within the session keeps its partitions",
    "api_version": "version of brokers that cannot tell it, as in 0.11",
}
_MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")


class Secret(str):
    """A text whose representation does not show it: the client library prints its configuration at level DEBUG."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'•••'"


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to reach the brokers, and how to behave towards them."""

    hosts: tuple[str, ...]
    security: Mapping[str, Any]
    """Arguments of every client: protocol, certificates, user and password."""
    compression: str | None = "zstd"
    replication: int = -1
    retention_days: float = 30.0
    timeout: float = 30.0
    session: float = 45.0
    instance: str | None = None
    api_version: tuple[int, ...] | None = None

    @property
    def secured(self) -> bool:
        """Whether the brokers want to know who is there, or prove who they are."""
        return str(self.security["security_protocol"]) != "PLAINTEXT"


def parse(url: str) -> Options:
    """The options of a URL.

    Raises:
        SettingError: a part of the URL is unknown, malformed or names a file that cannot be read. The message never
            repeats the URL.
    """
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(given.keys() - OPTIONS.keys()):
        raise SettingError(f"{unknown[0]!r} is no option of a kafka:// URL; there are {', '.join(OPTIONS)}")
    hosts = tuple(host for host in parts.netloc.rpartition("@")[2].split(",") if host)
    if not hosts:
        raise SettingError("a kafka:// URL names at least one host:port")
    compression = given.get("compression", "zstd")
    if compression not in ("zstd", "lz4", "gzip", "none"):
        raise SettingError(f"compression={compression}: use zstd, lz4, gzip or none")
    return Options(
        hosts=hosts,
        security=_security(parts, given),
        compression=None if compression == "none" else compression,
        replication=int(_number(given, "replication", -1)),
        retention_days=_number(given, "retention_days", 30.0),
        timeout=_number(given, "timeout", 30.0),
        session=_number(given, "session", 45.0),
        instance=given.get("instance") or None,
        api_version=_version(given.get("api_version", "")),
    )


def _number(given: Mapping[str, str], name: str, default: float) -> float:
    try:
        value = float(given.get(name, default))
    except ValueError:
        raise SettingError(f"{name}={given[name]!r} is not a number") from None
    if name in given and value <= 0:
        raise SettingError(f"{name}={given[name]} must be above 0")
    return value


def _version(text: str) -> tuple[int, ...] | None:
    try:
        return tuple(int(part) for part in text.split(".")) if text else None
    except ValueError:
        raise SettingError(f"api_version={text!r} is not of the form 2.8") from None


def _security(parts: SplitResult, given: Mapping[str, str]) -> dict[str, Any]:
    flavour = parts.scheme.partition("+")[2]
    if flavour not in ("", "ssl"):
        raise SettingError(f"kafka+{flavour}:// is unknown: use kafka:// or kafka+ssl://")
    found: dict[str, Any] = {}
    if flavour == "ssl":
        found["ssl_context"] = _tls(given)
    elif stray := sorted(given.keys() & {"ca", "cert", "key"}):
        raise SettingError(f"{stray[0]} is for kafka+ssl://, and the URL says kafka://")
    user = unquote(parts.netloc.rpartition("@")[0].partition(":")[0])
    if user:
        mechanism = given.get("mechanism", _MECHANISMS[0]).upper()
        if mechanism not in _MECHANISMS:
            raise SettingError(f"mechanism={mechanism}: use one of {', '.join(_MECHANISMS)}")
        found |= {
            "sasl_mechanism": mechanism,
            "sasl_plain_username": user,
            "sasl_plain_password": _password(parts, given),
        }
    found["security_protocol"] = ("SASL_" if user else "") + ("SSL" if flavour else "PLAINTEXT")
    return found


def _password(parts: SplitResult, given: Mapping[str, str]) -> Secret:
    if path := given.get("password_file"):
        try:
            return Secret(Path(path).read_text("utf-8").partition("\n")[0].strip("\r"))
        except OSError as error:
            raise SettingError(f"password_file={path} cannot be read: {error.strerror}") from None
    password = parts.netloc.rpartition("@")[0].partition(":")[2]
    if not password:
        raise SettingError("a kafka:// URL with a user has a password, or names a password_file")
    return Secret(unquote(password))


def _tls(given: Mapping[str, str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=given.get("ca") or None)
        if cert := given.get("cert"):
            context.load_cert_chain(cert, given.get("key") or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingError(f"the certificates of the kafka+ssl:// URL cannot be loaded: {error}") from None
    return context
