"""Finding the record that is at fault: by halves, so that its neighbours lose nothing."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy.exc import OperationalError

from voxpop.errors import StoreUnavailable, Unavailable
from voxpop.log.base import Record
from voxpop.worker.patience import is_refusal

T = TypeVar("T")


def isolated(
    run: Callable[[Sequence[Record]], T], records: Sequence[Record], bury: Callable[[Record, Exception], T]
) -> list[T]:
    """What ``run`` makes of the records, in their order; where it raises, it is run on halves.

    Args:
        bury: what becomes of a record that raises by itself.

    Raises:
        Unavailable: a service that is needed is away, which is no record's fault.
    """
    try:
        return [run(records)]
    except Unavailable:
        raise
    except Exception as error:  # any fault of a record must be isolated
        if isinstance(error, OperationalError) and not is_refusal(error):
            raise StoreUnavailable(f"the database does not answer: {error.orig}") from error
        if len(records) > 1:
            middle = len(records) // 2
            return isolated(run, records[:middle], bury) + isolated(run, records[middle:], bury)
        return [bury(records[0], error)]


def reason_of(error: Exception) -> str:
    """Why a record could not be handled: the end of the traceback."""
    return "".join(traceback.format_exception(error)[-8:])
