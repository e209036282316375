"""Tables of the console and of the HTML page: columns of values, and how a value is shown."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table

from pairjax.reporting.format import format_statistic

# Columns by heading; each value is a text, a number, a statistic of `describe`, a Cell, or None.
Columns = Mapping[str, Iterable[Any]]


class Cell(NamedTuple):
    """What a table shows of a value.

    Attributes:
      text: what it says.
      value: by which its column is sorted; None for texts and where there is none.
      detail: beside the text in the console, smaller and on a line below on the page.
      shade: how much it stands out on the page, 0 to 4.
    """

    text: str
    value: float | None = None
    detail: str = ''
    shade: int = 0


def cell(value: Any) -> Cell:
    """Shows integers with commas, floats with two decimals, statistics in percent, None as '-'."""
    match value:
        case Cell():
            return value
        case None:
            return Cell('-')
        case str():
            return Cell(value)
        case int() | np.integer():
            return Cell(f'{value:,}', value)
        case float():
            return Cell(f'{value:.2f}', value)
    text, bracket, interval = format_statistic(value, plus_minus='±').partition(' [')
    return Cell(text, value['mean'], bracket.strip() + interval)


def percent(fraction: float | None, decimals: int = 2) -> Cell:
    """A fraction in percent; '-' for None."""
    return cell(None) if fraction is None else Cell(f'{100 * fraction:.{decimals}f}', fraction)


def tabulate(columns: Columns) -> tuple[dict[str, bool], list[tuple[Cell, ...]]]:
    """By heading whether its column has numbers, and the rows of cells."""
    cells = {heading: list(map(cell, values)) for heading, values in columns.items()}
    numeric = {heading: any(c.value is not None for c in cells[heading]) for heading in cells}
    return numeric, list(zip(*cells.values(), strict=True))


def console_table(title: str, columns: Columns) -> Table:
    """A table for a rich console; columns of numbers are flush right."""
    table = Table(title=title)
    numeric, rows = tabulate(columns)
    for heading, is_number in numeric.items():
        table.add_column(heading, justify='right' if is_number else 'left')
    for row in rows:
        table.add_row(*(f'{c.text} {c.detail}'.strip().replace('±', '+-') for c in row))
    return table
