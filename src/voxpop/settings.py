"""Every setting: its name, default and meaning, in one table.

A setting is read from the environment (``VOXPOP_`` + name in capitals); a secret one also from the first line of the
file that the same name with ``_FILE`` names. ``voxpop doctor`` prints this table with the values in force, and the
README's table is tested against it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from voxpop import testing
from voxpop.errors import SettingError


def _default_home() -> Path:
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root, and the unprivileged user that runs it cannot enter /root.
        return Path("/var/lib/voxpop")
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "voxpop"


def _setting(default: Any, help: str, *, secret: bool = False) -> Any:
    factory = default if callable(default) else lambda: default
    return field(default_factory=factory, metadata={"help": help, "secret": secret})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings in force. ``Settings.load()`` reads the environment."""

    home: Path = _setting(_default_home, "Folder of everything Voxpop keeps on this machine; created when missing.")
    database_url: str = _setting(
        "", "postgresql://… of your own server; empty: Voxpop runs its own PostgreSQL in the home folder.", secret=True
    )
    log_url: str = _setting(
        "",
        "kafka://host:port, kafka+ssl://user@host:port?password_file=…, or postgresql://…; empty: the log lives in the"
        " store's database.",
        secret=True,
    )
    profile: str = _setting("bundled", "Model profile: a name from `voxpop models list`, or the path of a TOML file.")
    events: str = _setting("", "A TOML file of risk events of your own, beside the shipped ones.")
    threads: int = _setting(0, "Threads of the model; 0: one a core.")
    device: str = _setting("auto", "Where the model runs: cpu, cuda, cuda:N; auto: an NVIDIA card where there is one.")
    batch_tokens: int = _setting(
        0, "Most padded tokens in one batch of the model; 0: 4096 on a processor, 65536 on an NVIDIA card."
    )
    partitions: int = _setting(4, "Partitions of a topic when it is created.")
    poll_records: int = _setting(512, "Most records taken from the log at once.")
    queue_bytes: int = _setting(
        16_777_216, "Bytes of records on their way through a consumer at which it pauses its partitions."
    )
    drain_seconds: float = _setting(
        25.0, "A consumer that is told to end writes what it computed, for so long at most."
    )
    hang_seconds: float = _setting(
        900.0, "A consumer whose batch takes longer ends itself, to be started again; 0: never."
    )
    story_window_hours: int = _setting(72, "A repeat joins the story it retells if published within so many hours.")
    alert_budget_per_day: float = _setting(1.0, "Alerts a day that the desk is willing to read; sets the cut.")
    alerts_file: str = _setting("", "A TOML file that says who is told of which alerts; empty: nobody, they are shown.")
    feed_interval_seconds: int = _setting(300, "Pause between two polls of a feed.")
    feed_timeout_seconds: float = _setting(20.0, "Longest time for a feed or article, redirects included.")
    feed_max_bytes: int = _setting(10_000_000, "Largest decompressed answer of a feed or article.")
    feed_private_addresses: bool = _setting(False, "Allow feeds on private and loopback addresses (an intranet).")
    results_bytes: int = _setting(
        4_000_000_000, "Room in the home folder for what models computed, so that a replay computes it once; 0: none."
    )
    raw_days: int = _setting(30, "Days that raw items stay in the log and the dead letters.")
    heartbeat_url: str = _setting(
        "",
        "An address outside that is fetched each minute as a sign of life, so that silence is noticed; empty: none.",
        secret=True,
    )
    host: str = _setting(
        "127.0.0.1", "Address of the dashboard and API; another than a loopback one needs a token or a provider below."
    )
    metrics_port: int = _setting(0, "Port on which a consumer serves metrics to Prometheus, on VOXPOP_HOST; 0: none.")
    port: int = _setting(8350, "Port of the dashboard and API; 0: any free one.")
    public_url: str = _setting("", "Address at which people reach the dashboard, behind a proxy too; empty: its own.")
    admin_token: str = _setting(
        "",
        "Token of the first administrator, 32 characters at least; with it or a provider nobody comes in unnamed.",
        secret=True,
    )
    oidc_issuer: str = _setting("", "https://… of the OpenID Connect provider that signs people in; empty: none.")
    oidc_client_id: str = _setting("", "The name by which the provider knows Voxpop.")
    oidc_client_secret: str = _setting("", "What Voxpop proves that name with; empty: a public client.", secret=True)
    oidc_role_claim: str = _setting("roles", "The claim that says what a person may: a word or a list of words.")
    oidc_roles: str = _setting(
        "viewer=viewer,analyst=analyst,admin=admin",
        "Which word of the claim gives which role; who has none of them stays outside.",
    )
    session_hours: float = _setting(12.0, "Hours that a browser stays signed in.")
    requests_per_minute: int = _setting(600, "Requests that one caller of the API may make in a minute; 0: no limit.")
    analyze_waiting: int = _setting(512, "Texts that wait for the API's model at most; more are told to come again.")

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """The defaults, overlaid by the environment.

        Raises:
            SettingError: a value is not of its setting's type, a VOXPOP_ variable names no setting, or a file of a
                secret cannot be read.
        """
        secrets = [f"VOXPOP_{f.name.upper()}" for f in fields(cls) if f.metadata["secret"]]
        environ = _with_files(os.environ if environ is None else environ, secrets)
        types = get_type_hints(cls)
        known = {f"VOXPOP_{f.name.upper()}": f.name for f in fields(cls)}
        unknown = sorted(k for k in environ if k.startswith("VOXPOP_") and k not in known and k != testing.VARIABLE)
        if unknown:
            raise SettingError(f"{unknown[0]} is no setting; `voxpop doctor` lists them all")
        return cls(**{n: _parse(k, environ[k], types[n]) for k, n in known.items() if environ.get(k)})

    def shown(self) -> list[tuple[str, str, str]]:
        """Rows of (environment variable, value in force, help); a secret that is set shows as dots."""
        rows = []
        for f in fields(self):
            value = str(getattr(self, f.name))
            hidden = "•••" if value and f.metadata["secret"] else value
            rows.append((f"VOXPOP_{f.name.upper()}", hidden, f.metadata["help"]))
        return rows

    @classmethod
    def table(cls) -> list[tuple[str, str, str]]:
        """Rows of (environment variable, default, help)."""
        rows = []
        for f in fields(cls):
            assert callable(f.default_factory)
            default = "(see help)" if f.name == "home" else str(f.default_factory())
            rows.append((f"VOXPOP_{f.name.upper()}", default, f.metadata["help"]))
        return rows


def _with_files(environ: Mapping[str, str], secrets: Sequence[str]) -> dict[str, str]:
    """``environ`` with the secrets that lie in files; one that stands in the environment itself counts before them."""
    found = dict(environ)
    for variable in secrets:
        path = found.pop(f"{variable}_FILE", "")
        if path and not found.get(variable):
            try:
                found[variable] = Path(path).read_text("utf-8").partition("\n")[0].strip()
            except (OSError, UnicodeDecodeError) as error:
                raise SettingError(f"{variable}_FILE={path} cannot be read: {error}") from None
    return found


def _parse(variable: str, raw: str, kind: type) -> Any:
    try:
        if kind is bool:
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[raw.lower()]
        return kind(raw)
    except (ValueError, KeyError):
        raise SettingError(f"{variable}={raw!r} is not of type {kind.__name__}") from None
