"""Makes what docker-compose.yml needs and nobody should choose: ``.env`` and the passwords in ``secrets/``.

What exists is left as it is, so it may be run again, and a secret that was deleted is made anew. Only Python's standard
library is used. The files belong to whoever runs this (or, for root, to a user that is not), and to nobody else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

UNPRIVILEGED = 10001
"""Who owns the files and runs the containers where root makes them."""


def owner() -> tuple[int, int]:
    """The user and group that the containers run as."""
    return (os.getuid(), os.getgid()) if os.getuid() else (UNPRIVILEGED, UNPRIVILEGED)


def keep(path: Path, made: Callable[[], str]) -> bool:
    """Writes what ``made`` gives to ``path`` for its owner alone, at once and whole; False where it existed."""
    if path.exists():
        return False
    handle, name = tempfile.mkstemp(dir=path.parent)  # of mode 600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(made())
        if os.getuid() == 0:
            os.chown(name, *owner())
        os.link(name, path)  # unlike a rename, never over a file that came meanwhile
    except FileExistsError:
        return False
    finally:
        Path(name).unlink()
    return True


def password() -> str:
    """192 random bits, which need no quoting in a URL."""
    return secrets.token_urlsafe(24)


def fernet_key() -> str:
    """A key as Airflow encrypts with."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def htpasswd(user: str, word: str) -> str:
    """A line of a password file of nginx, salted SHA-1: the password itself is random and long."""
    salt = secrets.token_bytes(8)
    digest = hashlib.sha1(word.encode() + salt).digest()  # noqa: S324 - the strongest that nginx knows everywhere
    return f"{user}:{{SSHA}}{base64.b64encode(digest + salt).decode()}\n"


def dotenv() -> str:
    """The variables of docker-compose.yml itself; none is secret."""
    uid, gid = owner()
    cluster = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
    return (
        "# cpu, or gpu where the analyst has NVIDIA cards; 'cpu,gpu' runs both.\n"
        "COMPOSE_PROFILES=cpu\n"
        "# Who owns secrets/ and runs the containers.\n"
        f"VOXPOP_UID={uid}\n"
        f"VOXPOP_GID={gid}\n"
        "# The name of the Kafka cluster: keep it as long as its data.\n"
        f"KAFKA_CLUSTER_ID={cluster}\n"
    )


def make(root: Path) -> list[str]:
    """Makes what is missing under ``root``; returns the names of the files that were made."""
    folder = root / "secrets"
    if not folder.exists():
        folder.mkdir(mode=0o700)
        if os.getuid() == 0:
            os.chown(folder, *owner())

    def of(name: str) -> str:
        return (folder / name).read_text("utf-8").strip()

    def url(scheme: str, user: str) -> str:
        return f"{scheme}://{user}:{of('postgres' if user == 'voxpop' else 'airflow_postgres')}@postgres:5432/{user}\n"

    wanted: dict[str, Callable[[], str]] = {
        ".env": dotenv,
        "secrets/postgres": password,
        "secrets/airflow_postgres": password,
        "secrets/dashboard": password,
        "secrets/airflow": password,
        "secrets/grafana": password,
        "secrets/airflow_fernet_key": fernet_key,
        "secrets/airflow_secret_key": password,
        "secrets/airflow_jwt_secret": lambda: secrets.token_urlsafe(64),
        "secrets/heartbeat_url": lambda: "\n",
        # These follow from those above.
        "secrets/database_url": lambda: url("postgresql", "voxpop"),
        "secrets/airflow_database_url": lambda: url("postgresql+psycopg", "airflow"),
        "secrets/airflow_users": lambda: json.dumps({"admin": of("airflow")}) + "\n",
        "secrets/dashboard_users": lambda: htpasswd("desk", of("dashboard")),
    }
    return [name for name, made in wanted.items() if keep(root / name, made)]


if __name__ == "__main__":
    done = make(Path(__file__).resolve().parents[1])
    sys.stdout.write(f"made: {', '.join(done)}\n" if done else "everything is there already\n")
