"""Fills a page from tables: answers below queries, tables, numbers in sentences, and claims.

A page in Markdown says by itself what it shows. Comments are not seen by its readers::

    ```sql                                  a query; its answer stands in the block below it
    SELECT ...
    ```

    <!-- table odds                         a table in Markdown, up to <!-- end -->
    SELECT method, ... -->

    <!-- numbers sizes                      numbers for sentences alone
    SELECT ... -->

    0.46<!-- =odds vanilla phi_06 -->       a number: table, first column's value, column
    600<!-- =sizes images -->               the same of a table with one row

    <!-- holds
    SELECT min(...) > ... -->               what the sentences before it say, true or not
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import duckdb
import pandas as pd
from pages import markdown

#: A query with its answer, as readers see both.
QUERY = re.compile(r"(```sql\n(.*?)```\n\n```\n).*?(```\n)", re.S)
TABLE = re.compile(r"(<!-- table (\w+)\n(.*?)-->\n).*?(<!-- end -->)", re.S)
NUMBERS = re.compile(r"<!-- numbers (\w+)\n(.*?)-->", re.S)
NUMBER = re.compile(r"([^\s(<>*]+)(<!-- =(\w+) (?:([\w.]+) )?(\w+) -->)")
CLAIM = re.compile(r"<!-- holds\n(.*?)-->", re.S)
MISSING = "–"
MOST_DECIMALS = 4


class FillingError(Exception):
    """What a page says does not go with the tables."""


def filled(text: str) -> str:
    """Return a page with the answers, tables and numbers of today.

    Parameters
    ----------
    text
        The page. Its queries name tables by their path from the folder in which this runs.

    Raises
    ------
    FillingError
        A number's place is not in its table.
    """
    text = QUERY.sub(lambda m: m[1] + answer(m[2]) + "\n" + m[3], text)
    tables = {name: as_shown(query) for _, name, query, _ in TABLE.findall(text)}
    text = TABLE.sub(lambda m: f"{m[1]}\n{as_markdown(tables[m[2]])}\n{m[4]}", text)
    tables |= {name: as_shown(query) for name, query in NUMBERS.findall(text)}
    return NUMBER.sub(lambda m: place(tables, m[3], m[4], m[5]) + m[2], text)


def untrue(text: str) -> list[str]:
    """Return the claims of a page that the tables do not bear out, as queries."""
    return [claim.strip() for claim in CLAIM.findall(text) if not holds(claim)]


def queries(text: str) -> Iterator[str]:
    """Return every query of a page, shown or not."""
    for pattern, group in ((QUERY, 2), (TABLE, 3), (NUMBERS, 2), (CLAIM, 1)):
        for found in pattern.finditer(text):
            yield found[group]


def answer(query: str) -> str:
    """Return a query's result in columns, as a terminal shows it."""
    found = duckdb.sql(query).df()
    words = [name for name in found.columns if found[name].dtype == object]
    return found.fillna(dict.fromkeys(words, MISSING)).to_string(index=False, na_rep=MISSING)


def as_shown(query: str) -> pd.DataFrame:
    """Return a query's result as text: a column's numbers have as many decimals as one needs."""
    return duckdb.sql(query).df().apply(column_as_text)


def column_as_text(values: pd.Series) -> pd.Series:
    """Return a column as text, all of its numbers with the same decimals."""
    show: Callable[[object], str] = str
    if pd.api.types.is_float_dtype(values):
        decimals = next(
            (d for d in range(MOST_DECIMALS) if (values.round(d) - values).abs().max() < 1e-9),
            MOST_DECIMALS,
        )
        show = f"{{:.{decimals}f}}".format
    return values.map(lambda value: MISSING if pd.isna(value) else show(value)).astype(object)


def as_markdown(table: pd.DataFrame) -> str:
    """Return a table in Markdown, its columns' names without underscores."""
    heads = [str(name).replace("_", " ") for name in table.columns]
    return markdown([heads, *table.to_numpy().tolist()])


def place(tables: dict[str, pd.DataFrame], name: str, row: str | None, column: str) -> str:
    """Return what stands in a table's row and column."""
    table = tables.get(name)
    where = f"<!-- ={name} {row + ' ' if row else ''}{column} -->"
    if table is None or column not in table.columns:
        raise FillingError(f"{where}: no such table or column")
    rows = table if row is None else table[table.iloc[:, 0] == row]
    if len(rows) != 1:
        raise FillingError(f"{where}: {len(rows)} rows, not one")
    return str(rows[column].item())


def holds(claim: str) -> bool:
    """Return whether a query's only value is true; a missing one is not."""
    [(value,)] = duckdb.sql(claim).fetchall()
    return value is True
