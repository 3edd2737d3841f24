"""The watchlist's CSV: what it may say, and how it is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from voxpop.errors import Refused
from voxpop.text import watchlist


def test_only_id_and_name_are_required() -> None:
    (entity,) = watchlist.parse("name,id\nAcme,acme\n")
    assert (entity.id, entity.name, entity.type, entity.own) == ("acme", "Acme", "company", False)
    assert entity.aliases == () and entity.tickers == () and entity.sector is None


def test_every_column_is_read() -> None:
    head = "id,name,aliases,tickers,exchange,country,sector,type,parent,own,isin,lei,valid_from,valid_to\n"
    rows = (
        'a,"Acme, Inc",Acme|顶点,ACM|0700.HK|BRK.B,NYSE,US,banks,company,,yes,US0378331005,,2010-01-01,2020-12-31\n'
        "b,Acme Store,,,,,,branch,a,,,,,\n"
    )
    first, second = watchlist.parse("\ufeff" + head + rows)
    assert first.name == "Acme, Inc" and first.own and first.isin == "US0378331005"
    assert first.tickers == ("ACM", "0700.HK", "BRK.B")
    assert [alias.text for alias in first.aliases] == ["Acme, Inc", "Acme", "顶点"]
    assert first.aliases[0].valid_from == datetime(2010, 1, 1, tzinfo=UTC)
    assert first.aliases[0].valid_to == datetime(2021, 1, 1, tzinfo=UTC) - timedelta(microseconds=1)
    assert (second.type, second.parent) == ("branch", "a")


def test_an_alias_says_when_it_was_in_use() -> None:
    (entity,) = watchlist.parse("id,name,aliases\nx,X,Old<2021-10-28|New>=2021-10-28|Mid>2000-01-01<=2001-01-01|A<B\n")
    old, new, mid, plain = entity.aliases
    day = datetime(2021, 10, 28, tzinfo=UTC)
    assert (old.valid_from, old.valid_to) == (None, day - timedelta(microseconds=1))
    assert (new.valid_from, new.valid_to) == (day, None)
    assert mid.valid_from == datetime(2000, 1, 2, tzinfo=UTC) and mid.valid_to is not None
    assert mid.valid_to.date().isoformat() == "2001-01-01"
    assert plain.text == "A<B" and plain.valid_from is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name\nAcme\n", "line 1: there is no column 'id'"),
        ("", "line 1: there is no column 'id'"),
        ("id,name,colour\na,A,red\n", "line 1: unknown column 'colour'"),
        ("id,name,name\na,A,B\n", "line 1: column 'name' comes twice"),
        ("id,name\na,A\n\n,B\n", "line 4: id is empty"),
        ("id,name\na,\n", "line 2: name is empty"),
        ("id,name\na,A\na,B\n", "line 3: id 'a' is already on line 2"),
        ("id,name\na b,A\n", "line 2: id 'a b'"),
        ("id,name,type\na,A,planet\n", "line 2: type 'planet'"),
        ("id,name,own\na,A,maybe\n", "line 2: own 'maybe'"),
        ("id,name,parent\na,A,zz\n", "line 2: parent 'zz' is on no line"),
        ("id,name,parent\na,A,b\nb,B,a\n", "line 2: 'a' is its own ancestor"),
        ("id,name,isin\na,A,US0378331006\n", "line 2: isin 'US0378331006'"),
        ("id,name,lei\na,A,123\n", "line 2: lei '123'"),
        ("id,name,tickers\na,A,not a ticker\n", "line 2: ticker"),
        ("id,name,aliases\na,A,Old<2021-13-01\n", "line 2: '2021-13-01' is not a day"),
        ("id,name,aliases\na,A,Old>=2021-01-01<2020-01-01\n", "line 2: 'Old' ends before it begins"),
        ("id,name\na,A,B\n", "line 2: 3 cells for 2 columns"),
        ('id,name\na,"A\n', "line 2: not CSV"),
    ],
)
def test_a_broken_line_is_named(text: str, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        watchlist.parse(text)
    assert caught.value.reason.startswith(reason)


def test_a_file_that_is_not_utf8_or_absent_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    with pytest.raises(Refused, match="cannot read"):
        watchlist.load(path)
    path.write_bytes("id,name\na,平安\n".encode("gb18030"))
    with pytest.raises(Refused, match="not UTF-8"):
        watchlist.load(path)
    path.write_text("id,name\na,平安\n", "utf-8")
    assert watchlist.load(path)[0].name == "平安"


def test_a_list_of_nobody_is_refused_unless_it_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("id,name\n\n", "utf-8")
    with pytest.raises(Refused, match="names nobody"):
        watchlist.load(path)
    assert watchlist.load(path, empty=True) == []


def test_names_that_several_have_at_one_time_are_found() -> None:
    lines = [
        "a,Alpha Bank,Alpha|Meta<2021-10-28,ALP",
        "b,Alpha Motors,alpha|ALPHA,ALP",
        "c,Meta Labs,Meta>=2021-10-28,MET",
        "d,Other,Meta>=2026-01-01,",
    ]
    entities = watchlist.parse("id,name,aliases,tickers\n" + "\n".join(lines))
    assert watchlist.shared(entities) == [("Alpha", ["a", "b"]), ("Meta", ["c", "d"]), ("ALP", ["a", "b"])]
    assert watchlist.shared(entities[:1]) == []


def test_the_shipped_list_is_whole() -> None:
    entities = watchlist.shipped()
    by_id = {entity.id: entity for entity in entities}
    assert len(entities) >= 300
    assert all(entity.country and entity.sector and entity.tickers for entity in entities)
    assert by_id["kweichow-moutai"].tickers == ("600519.SH",)
    assert "0700.HK" in by_id["tencent"].tickers
    owners: dict[str, str] = {}
    for entity in entities:
        for ticker in entity.tickers:
            assert owners.setdefault(ticker, entity.id) == entity.id, ticker
    spoken_of = (
        "AAPL GOOG GOOGL AMZN FB MSFT INTC CSCO ORCL IBM T VZ C BAC JPM WFC GS MS GE BA CAT XOM CVX BP RDS.A TOT PTR"
        " SNP CHL HSBC LFC BABA BHP RIO ABBV PFE MRK NVS JNJ UNH PG KO PEP PM MO BUD UN WMT HD MCD DIS CMCSA CELG GILD"
        " AMGN SNY MDT V MA BRK.A UPS HON UTX LMT MMM ABB D SO DUK NGG EXC PCG SLB PCLN TSLA NFLX"
    )
    assert [ticker for ticker in spoken_of.split() if ticker not in owners] == []
