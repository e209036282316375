"""A self-contained HTML page of facts, tables and plots."""

import base64
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import jinja2
from matplotlib.figure import Figure

from pairjax.reporting.plots.curves import figure_bytes


class TableCell(NamedTuple):
    """One cell of a table; a number has the `value` by which its column is sorted."""

    text: str
    value: float | None = None
    detail: str = ''  # Smaller text on a line below.
    shade: int = 0  # Background shade, 0 to 4.


class Table(NamedTuple):
    """A table sorted by a click on a heading; missing numbers come last."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[TableCell]]
    highlighted: int | None = None  # Index of the highlighted row.
    collapsed: bool = False  # Expands by a click on the caption.

    def is_number(self, column: int) -> bool:
        """Whether any cell of the column has a value."""
        return any(row[column].value is not None for row in self.rows)


class Plot(NamedTuple):
    """A PNG file in base64, its width and height in CSS pixels, and what it shows in words."""

    data: str
    width: int
    height: int
    caption: str


class Example(NamedTuple):
    """Small images side by side, each a PNG file in base64 and its words, above lines of text."""

    images: Sequence[tuple[str, str]]
    lines: Sequence[str]


class Gallery(NamedTuple):
    """Examples in rows, and what they show."""

    caption: str
    examples: Sequence[Example]


class Section(NamedTuple):
    """A part of the page: facts (name and text), sentences, tables and plots, inner parts."""

    title: str
    facts: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
    parts: Sequence[Table | Plot | Gallery] = ()
    inner: Sequence['Section'] = ()
    command: str = ''
    command_note: str = ''


def make_plot(figure: Figure, caption: str) -> Plot:
    """A matplotlib figure as a PNG for the page, in its size in CSS pixels."""
    # A CSS pixel is 1/96 inch.
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    return Plot(in_base64(figure_bytes(figure, 'png')), width, height, caption)


def render_page(title: str, introduction: str, sections: Sequence[Section], footer: str) -> str:
    """The page as HTML that needs no other file and no network.

    Whatever the texts hold is shown as text. A content security policy keeps the page from
    fetching anything and lets no script but its own run.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader('pairjax.reporting.html'),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = environment.get_template('report.js').render()
    return environment.get_template('report.html').render(
        title=title,
        introduction=introduction,
        sections=sections,
        footer=footer,
        script=script,
        script_digest=in_base64(hashlib.sha256(script.encode()).digest()),
    )


def in_base64(data: bytes) -> str:
    """Bytes in base64, as text."""
    return base64.b64encode(data).decode('ascii')
