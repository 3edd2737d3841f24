"""Trends as one file: CSV, or Parquet with its types.

The file is made whole before a byte of it is sent, so that a slow reader holds no connection to the database, and a
failure in the middle is an error and not a file that looks complete.
"""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterator, Mapping
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, Final

from fastapi import Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection

from voxpop.errors import Unavailable
from voxpop.store import listing

if TYPE_CHECKING:
    import pyarrow as pa
    from starlette.types import Receive, Scope, Send

COLUMNS: Final = (
    *("entity", "start", "stories", "negative_stories", "positive_stories", "unread_stories", "unsure_stories"),
    *("mentions", "sentiment", "reach", "model", "available_at", "reconstructed"),
)
TYPES: Final = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A page, or with `format` the whole as a file.",
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            TYPES["parquet"]: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
_IN_MEMORY: Final = 8_000_000
_AT_ONCE: Final = threading.BoundedSemaphore(2)
"""Files that are made at the same time; each holds a connection while it is."""


def trends(connection: Connection, asked: listing.Trends, kind: str) -> Response:
    """All that is asked for as a file.

    Raises:
        Unavailable: as many files are being made as may, or there is no room for this one.
    """
    if not _AT_ONCE.acquire(blocking=False):
        raise Unavailable("other files are being made: come again in a moment")
    file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed when it is sent
    try:
        (_csv if kind == "csv" else _parquet)(file, listing.all_trends(connection, asked))
    except OSError as error:
        file.close()
        raise Unavailable(f"the file cannot be kept ({error.strerror}): ask for less, or make room") from error
    except BaseException:
        file.close()
        raise
    finally:
        _AT_ONCE.release()
    size = file.tell()
    file.seek(0)
    headers = {
        "content-disposition": f'attachment; filename="trends.{kind}"',
        "content-length": str(size),
        "cache-control": "private, no-store",
    }
    return _Sent(file, TYPES[kind], headers)


class _Sent(StreamingResponse):
    """A file that is closed once it is sent, or nobody takes it."""

    def __init__(self, file: IO[bytes], kind: str, headers: Mapping[str, str]) -> None:
        super().__init__(iter(lambda: file.read(65_536), b""), media_type=kind, headers=headers)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            await super().__call__(scope, receive, send)


def _csv(file: IO[bytes], parts: Iterator[Any]) -> None:
    """Times in ISO 8601; what is not known is empty."""
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for rows in parts:
        writer.writerows([_plain(row[name]) for name in COLUMNS] for row in rows)
    text.detach()


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _parquet(file: IO[bytes], parts: Iterator[Any]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    schema = _schema()
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for rows in parts:
            writer.write_table(pa.Table.from_pylist(rows, schema))


def _schema() -> pa.Schema:
    import pyarrow as pa

    time = pa.timestamp("us", "UTC")
    kinds = {"entity": pa.string(), "model": pa.string(), "sentiment": pa.float64(), "reconstructed": pa.bool_()}
    kinds |= {"start": time, "available_at": time}
    return pa.schema([(name, kinds.get(name, pa.int64())) for name in COLUMNS])
