"""``infer``, ``explain`` and ``events``: what follows from a text, why it has its label, and what risks it tells of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from msgspec.structs import asdict
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from voxpop.cli import Json, app, console, emit, told

if TYPE_CHECKING:
    from voxpop.knowledge.events import RiskEvent

events_app = typer.Typer(
    help="Risk events: sentences of what a document may report about a company.", no_args_is_help=True
)
app.add_typer(events_app, name="events")

Profile = Annotated[str, typer.Option(help="Model profile; default: VOXPOP_PROFILE.")]


@app.command(
    epilog='Example: voxpop infer -p "Acme did not pay its bondholders on time." -h "It has run out of cash."'
    ' -c "Acme has failed to pay a debt."    False, with its reason, is an answer, too.'
)
def infer(
    premise: Annotated[str, typer.Option("--premise", "-p", help="What is known.")],
    hypothesis: Annotated[str, typer.Option("--hypothesis", "-h", help="What is supposed.")],
    conclusion: Annotated[str, typer.Option("--conclusion", "-c", help="What may follow.")],
    profile: Profile = "",
    as_json: Json = False,
) -> None:
    """Print the conclusion if the premise entails it and the hypothesis makes it more likely, else False; and why."""
    from voxpop import inference, models
    from voxpop.settings import Settings

    with told():
        settings = Settings.load()
        found = inference.infer(premise, hypothesis, conclusion, models.load(profile or settings.profile))
        if as_json:
            emit(found._asdict())
            return
        console.print(found.conclusion, highlight=False, markup=False)
        console.print(f"because {found.reason}", style="dim", highlight=False, markup=False, soft_wrap=True)


@app.command(epilog='Example: voxpop explain "Acme beats forecasts while Bolt warns" --entity Bolt')
def explain(
    text: Annotated[str, typer.Argument(help="A headline, post or short passage.")],
    entity: Annotated[
        str, typer.Option(help="The name asked about, as it stands in the text; default: the whole.")
    ] = "",
    label: Annotated[str, typer.Option(help="Explain this label instead of the most probable one.")] = "",
    profile: Profile = "",
    as_json: Json = False,
) -> None:
    """Show which words moved the sentiment: integrated gradients, green towards the label, red away from it."""
    from voxpop.errors import SettingError
    from voxpop.models.explain import Explainer
    from voxpop.records import SENTIMENTS
    from voxpop.settings import Settings
    from voxpop.text.clean import clean
    from voxpop.training.datasets import find_spans

    with told():
        cleaned = clean("", text).text
        spans = find_spans(cleaned, entity)
        if entity and not spans:
            raise SettingError(f"{entity!r} does not stand in the text")
        if label and label not in SENTIMENTS:
            raise SettingError(f"{label!r} is no sentiment; {', '.join(SENTIMENTS)} are")
        found = Explainer(profile or Settings.load().profile).sentiment(cleaned, spans, label or None)
        if as_json:
            words = [{"text": cleaned[w.start : w.end], **w._asdict()} for w in found.words]
            emit({"text": cleaned, **found._asdict(), "words": words})
            return
        console.print(f"[bold]{found.label}[/bold] {found.probability:.2f}", highlight=False)
        console.print(_painted(cleaned, [(w.start, w.end, w.share) for w in found.words]))
        table = Table("word", "moved by", box=None)
        for word in sorted(found.words, key=lambda w: -abs(w.share))[:8]:
            table.add_row(escape(cleaned[word.start : word.end]), f"{word.share:+.2f}")
        console.print(table)


def _painted(text: str, words: list[tuple[int, int, float]]) -> Text:
    painted = Text(text)
    most = max((abs(share) for *_, share in words), default=1.0) or 1.0
    for start, end, share in words:
        if abs(share) > most / 8:
            painted.stylize(("green" if share > 0 else "red") + (" bold" if abs(share) > most / 2 else ""), start, end)
    return painted


@events_app.command("list", epilog="Example: voxpop events list --json")
def events_list(as_json: Json = False) -> None:
    """Show the risk events in force: the shipped ones, and those of VOXPOP_EVENTS."""
    from voxpop.knowledge.events import SEVERITIES

    with told():
        events = events_in_force()
        if as_json:
            emit(events)
            return
        table = Table("event", "severity", "sentence")
        for key, event in events.items():
            table.add_row(escape(key), SEVERITIES[event.severity], escape(event.en))
        console.print(table)


@events_app.command("test", epilog='Example: voxpop events test "{entity} has closed a factory." --days 30')
def events_test(
    sentence: Annotated[str, typer.Argument(help="The sentence of an event; {entity} stands for the company.")],
    days: Annotated[int, typer.Option(help="How far to look back from the latest document.")] = 30,
    most: Annotated[int, typer.Option(help="Documents to judge: those nearest to the sentence.")] = 200,
    as_json: Json = False,
) -> None:
    """Show what an event of this sentence would have caught in the stored history."""
    from voxpop.app import App
    from voxpop.eventtest import caught

    with told(), App() as live:
        found = caught(live, sentence, days=days, most=most)
        if as_json:
            emit(found._asdict())
            return
        table = Table("published", "company", "probability", "text")
        for hit in found.hits:
            table.add_row(
                f"{hit.published_at:%Y-%m-%d %H:%M}", escape(hit.name), f"{hit.score:.2f}", escape(hit.text[:160])
            )
        console.print(table if found.hits else "It would have caught nothing.")
        console.print(
            f"{len(found.hits)} of {found.judged} documents judged, out of {found.documents}", highlight=False
        )


@events_app.command("weigh", epilog="Example: voxpop events weigh --profile mine.toml --lang zh")
def events_weigh(
    lang: Annotated[Literal["en", "zh"], typer.Option(help="Whose weights to fit.")] = "en",
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Labelled JSONL; default: the shipped documents that inference was not trained on."),
    ] = None,
    profile: Profile = "",
    as_json: Json = False,
) -> None:
    """Fit how what points to a risk event is weighed by a profile, and print it as the profile's table states it."""
    from voxpop import models
    from voxpop.errors import SettingError
    from voxpop.models.routed_profile import by_language
    from voxpop.settings import Settings
    from voxpop.training import risks
    from voxpop.training.datasets import read_rows, rows_of
    from voxpop.training.events import require_labels

    with told():
        settings, events = Settings.load(), events_in_force()
        profile = profile or settings.profile
        if (stated := by_language(profile).get(lang)) is None:
            raise SettingError(f"The profile {profile} does not read {lang}")
        rows = [one for file in files for row in read_rows(file) for one in rows_of("events", row)] if files else []
        if files:
            require_labels(rows, events)
        reader = models.load(profile, threads=settings.threads, batch_tokens=settings.batch_tokens)
        found = risks.fit(rows if files else risks.held_out(lang), reader, events, lang)
        if as_json:
            emit({"weights": found.weights, **found.figures})
            return
        console.print(f"[risks]  # of the profile {stated.name}", markup=False, highlight=False)
        for name, value in asdict(found.weights).items():
            console.print(f"{name} = {value}", highlight=False)
        shown = ", ".join(f"{name} {value:.3f}" for name, value in found.figures.items() if isinstance(value, float))
        console.print(f"# {found.figures['documents']:,} documents, cross-validated: {shown}", highlight=False)


def events_in_force() -> dict[str, RiskEvent]:
    """The shipped events, and those of the file that the settings name."""
    from voxpop.knowledge import events
    from voxpop.settings import Settings

    path = Settings.load().events
    return events.load(Path(path) if path else None)
