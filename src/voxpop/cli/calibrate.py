"""``calibrate``: the cuts that spend a budget of alerts, from replaying what is stored."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from voxpop.cli import Json, app, console, emit, errors, told

_DAYS = {"day": 1.0, "week": 7.0}


def budget_of(text: str) -> float:
    """Alerts a day of "5/day", "5" or "20/week".

    Raises:
        SettingError: it is none of these, or not above zero.
    """
    from voxpop.errors import SettingError

    number, _, unit = text.partition("/")
    try:
        budget = float(number) / _DAYS[unit.strip() or "day"]
    except (ValueError, KeyError):
        budget = 0.0
    if not 0 < budget < 1e6:
        raise SettingError(f"{text!r} is no budget: 5/day or 20/week are")
    return budget


@app.command(epilog="Example: voxpop calibrate --budget 5/day")
def calibrate(
    budget: Annotated[
        str, typer.Option(help="Alerts that the desk will read: 5/day, 20/week. Empty: VOXPOP_ALERT_BUDGET_PER_DAY.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the cuts and keep those in force.")] = False,
    as_json: Json = False,
) -> None:
    """Replay the stored history and set the cuts that spend the budget.

    What a cut spends is also shown out of sample: the cut that the first half sets, counted in the second.
    """
    from voxpop import alarms
    from voxpop.app import App
    from voxpop.backlog import waiting
    from voxpop.errors import StoreError
    from voxpop.store import models as model_versions

    with told(), App() as live:
        a_day = budget_of(budget) if budget else live.settings.alert_budget_per_day
        with live.engine.connect() as connection:
            model = model_versions.active(connection)
        left = waiting(live)
        unread = f"; {left:,} records wait to be read (`voxpop run` reads them)" if left else ""
        if model is None:
            raise StoreError(f"no document was read yet, so there is no history to replay{unread}")
        try:
            found = alarms.spend(live.engine, model, a_day, keep=not dry_run)
        except StoreError as error:
            raise StoreError(f"{error}{unread}") from error
        if unread:
            errors.print(f"Not all of the history is in these figures{unread}.")
        if as_json:
            emit([one._asdict() for one in found])
            return
        table = Table("rule", "cut", "budget a day", "in sample", "first half's cut", "out of sample")
        for one in found:
            figures = one.budget_per_day, one.in_sample, one.first_cut, one.out_of_sample
            table.add_row(one.rule, f"{one.cut:.2f}", *(f"{figure:.2f}" for figure in figures))
        console.print(table)
        if not dry_run and a_day != live.settings.alert_budget_per_day:
            errors.print(f"The next weekly cut spends VOXPOP_ALERT_BUDGET_PER_DAY; set it to {a_day:g} to keep this.")
