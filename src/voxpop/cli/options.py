"""Commands with more options than a signature can hold: they stand in a table of their own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

Command = TypeVar("Command", bound=Callable[..., None])


def taking(table: type) -> Callable[[Command], Command]:
    """Has Typer see an option, None unless given, for each field of ``table`` in place of a command's ``**given``.

    Args:
        table: a ``TypedDict``; the command says ``**given: Unpack[table]``.
    """
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=field)
        for name, field in get_type_hints(table, include_extras=True).items()
    ]

    def declared(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        own = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        shown: Any = command
        shown.__signature__ = signature.replace(parameters=[*own, *options])
        shown.__annotations__ = {one.name: one.annotation for one in (*own, *options)}
        return command

    return declared
