"""``models``: which model profiles there are, what they name, and fetching and checking the files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from voxpop.cli import Json, app, console, emit, errors, folded, told

if TYPE_CHECKING:
    from voxpop.models.hub_profile import HubProfile
    from voxpop.models.profile import Profile

models_app = typer.Typer(help="Model profiles: which weights answer which question.", no_args_is_help=True)
app.add_typer(models_app, name="models")

Name = Annotated[str, typer.Argument(help="A profile's name, or the path of a TOML file.")]


@models_app.command("list", epilog="Example: voxpop models list --json")
def models_list(as_json: Json = False) -> None:
    """The shipped profiles, what they can do, and whether their files are there."""
    from voxpop.models.profile import shipped
    from voxpop.models.routed_profile import read_parts
    from voxpop.settings import Settings

    with told():
        home = Settings.load().home
        rows = [_row(read_parts(name)[0], home) for name in shipped()]
        if as_json:
            emit(rows)
            return
        table = folded("profile", "reads", "tasks", "weights", "files")
        for row in rows:
            found = "there" if row["there"] else f"voxpop models pull {row['profile']}"
            table.add_row(row["profile"], ", ".join(row["languages"]), ", ".join(row["tasks"]), row["kind"], found)
        console.print(table)


def _row(profile: Profile | HubProfile, home: Path) -> dict[str, Any]:
    from voxpop.errors import ModelError
    from voxpop.models.hub_lock import find
    from voxpop.models.hub_profile import HubProfile

    there = True
    if isinstance(profile, HubProfile):
        try:
            there = all((f.folder / name).is_file() for f in find(profile, home).values() for name in f.sha256)
        except ModelError:
            there = False
    return {
        "profile": profile.name,
        "languages": sorted(profile.languages),
        "tasks": list(profile.tasks),
        "kind": "public checkpoints" if isinstance(profile, HubProfile) else "shipped with Voxpop",
        "there": there,
    }


@models_app.command("show", epilog="Example: voxpop models show hub-en")
def models_show(profile: Name, as_json: Json = False) -> None:
    """What a profile names for each task: weights, commit, labels and lengths."""
    from voxpop.models.hub_lock import read_lock
    from voxpop.models.hub_profile import HubProfile
    from voxpop.models.routed_profile import read_parts
    from voxpop.settings import Settings

    with told():
        shown = []
        for stated in read_parts(profile)[1]:
            lock = read_lock(Settings.load().home, stated.name) if isinstance(stated, HubProfile) else None
            pulled = {locked.name: locked.commit for locked in lock.checkpoint} if lock else {}
            about = {"profile": stated.name, "languages": sorted(stated.languages), "dtype": stated.dtype}
            shown.append(about | {"tasks": _tasks(stated, pulled)})
        if as_json:
            emit(shown[0] if len(shown) == 1 else {"profile": profile, "parts": shown})
            return
        for of in shown:
            console.print(_shown(of))


def _shown(of: dict[str, Any]) -> Table:
    table = folded(
        "task",
        "weights",
        "commit",
        "tokens",
        "labels",
        title=escape(f"{of['profile']} ({', '.join(of['languages'])}), {of['dtype']}"),
    )
    for name, task in of["tasks"].items():
        commit = task["pulled"] or task["revision"] or ""
        table.add_row(name, escape(task["weights"]), commit, str(task["max_tokens"]), escape(", ".join(task["labels"])))
    return table


def _tasks(profile: Profile | HubProfile, pulled: dict[str, str]) -> dict[str, Any]:
    from voxpop.models.hub_profile import HubTask

    shown = {}
    for name, task in profile.tasks.items():
        about: dict[str, Any] = {"labels": task.labels, "max_tokens": task.max_tokens, "revision": "", "pulled": ""}
        if isinstance(task, HubTask):
            about["weights"] = task.checkpoint or "those of nli, a hypothesis for each label"
            about |= {"revision": task.revision, "pulled": pulled.get(task.checkpoint, "")}
        else:
            about["weights"] = f"{task.encoder} with {task.adapter.name}"
        shown[str(name)] = about
    return shown


@models_app.command("pull", epilog="Example: voxpop models pull hub-en    HF_ENDPOINT names another hub")
def models_pull(profile: Name, as_json: Json = False) -> None:
    """Fetch the public checkpoints of a profile, and lock their commits and the hash of every file."""
    from voxpop.models.hub_lock import lock_path
    from voxpop.models.hub_profile import HubProfile
    from voxpop.models.hub_pull import pull
    from voxpop.models.routed_profile import read_parts
    from voxpop.settings import Settings

    with told():
        (stated, _), home = read_parts(profile), Settings.load().home
        if not isinstance(stated, HubProfile) or not stated.repositories:
            if as_json:
                emit({"profile": stated.name, "checkpoints": []})
            else:
                console.print(f"{stated.name} names no checkpoint of the hub: there is nothing to fetch.", markup=False)
            return
        if as_json:
            from huggingface_hub.utils.tqdm import disable_progress_bars

            disable_progress_bars()
            lock = pull(stated, home)
            emit({"profile": stated.name, "lock": str(lock_path(home, stated.name)), "checkpoints": lock.checkpoint})
            return
        lock = pull(stated, home, told=lambda name, commit, file: errors.print(f"{name} {commit[:12]} {file}"))
        for locked in lock.checkpoint:
            console.print(f"{locked.name} at {locked.commit}: {len(locked.sha256)} files", highlight=False)
        console.print(f"locked in {lock_path(home, stated.name)}", highlight=False, markup=False, soft_wrap=True)


@models_app.command("verify", epilog="Example: voxpop models verify bundled --json")
def models_verify(profile: Name, as_json: Json = False) -> None:
    """Check the hash of every file of a profile; exit code 1 where one is missing or changed."""
    from voxpop.errors import ModelError
    from voxpop.models import state
    from voxpop.settings import Settings

    with told():
        home = Settings.load().home
        said, files = state.examine(profile, home)
        if as_json:
            emit({"profile": profile, "ok": not said, "problem": said, "files": [file._asdict() for file in files]})
            if said:
                raise typer.Exit(1)
            return
        if said:
            raise ModelError(said)
        console.print(f"{profile}: {len(files)} files are what they must be.", markup=False)
