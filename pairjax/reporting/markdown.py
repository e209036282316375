"""Paragraphs and tables in Markdown. No jax in here."""

import re
import textwrap
from collections.abc import Iterable, Sequence


def paragraph(*sentences: str) -> str:
    """Sentences as one paragraph in lines of at most 100 characters."""
    text = ' '.join(sentences)
    text = textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)
    # A minus or a number with a stop that happens to begin a line would begin a list.
    return re.sub(r'(?m)^(\d*)([-+*#>.)])(?=\s)', r'\1\\\2', text)


def bullet(text: str) -> str:
    """One item of a list, its further lines indented."""
    return textwrap.indent(paragraph(text), '  ').replace('  ', '- ', 1)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with one line a row; cells are text without line breaks and bars."""
    lines = [headings, ['---'] * len(headings), *rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)
