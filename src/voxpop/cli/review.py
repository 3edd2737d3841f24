"""``review``: what people said of labels, as a set that training reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from voxpop.cli import Json, app, console, emit, told

review_app = typer.Typer(
    help="Verdicts on labels, given on the dashboard's page Review, as a set to train from.", no_args_is_help=True
)
app.add_typer(review_app, name="review")


@review_app.command("list", epilog="Example: voxpop review list --limit 50")
def list_(
    limit: Annotated[int, typer.Option(help="Most verdicts to show, the newest first.", min=1)] = 30,
    as_json: Json = False,
) -> None:
    """What was said of which label, by whom and when."""
    from voxpop.app import App
    from voxpop.store import people

    with told(), App() as live, live.engine.connect() as connection:
        found, sums = people.verdicts(connection, limit), people.reviewed(connection)
        if as_json:
            emit({**sums._asdict(), "rows": [verdict._asdict() for verdict in found]})
            return
        title = f"{sums.verdicts} verdicts, {sums.corrected} corrections, {sums.disagreed} labels disputed"
        table = Table("when", "by", "about", "model", "verdict", "text", title=title)
        for v in found:
            text = escape(" ".join(v.text.split())[:80])
            table.add_row(f"{v.at:%Y-%m-%d %H:%M}", escape(v.who), escape(v.name), v.was, v.label, text)
        console.print(table)


@review_app.command(
    epilog="Example: voxpop review export reviewed.jsonl    then: voxpop train sentiment --data reviewed.jsonl"
    " --out runs/reviewed"
)
def export(
    file: Annotated[Path, typer.Argument(help="File to write, a JSON object a line; one that exists is replaced.")],
    as_json: Json = False,
) -> None:
    """Write the labels that most reviewers of a text agree on, each at its spans, as `voxpop train` reads them."""
    from voxpop.app import App
    from voxpop.errors import SettingError
    from voxpop.store import people

    with told(), App() as live, live.engine.connect() as connection:
        beside = file.with_name(f"{file.name}.part")  # so that a kill leaves what was there
        texts = labels = 0
        try:
            with beside.open("wb") as lines:
                for row in people.agreed(connection):
                    lines.write(msgspec.json.encode(row) + b"\n")
                    texts, labels = texts + 1, labels + len({span["entity"] for span in row["spans"]})
                lines.flush()
                os.fsync(lines.fileno())
            beside.replace(file)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise SettingError(f"{file} cannot be written: {error.strerror}; name another file") from error
        if as_json:
            emit({"file": str(file), "texts": texts, "labels": labels})
        else:
            console.print(f"{labels} labels of {texts} texts are in {file}", highlight=False, markup=False)
