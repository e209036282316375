"""Markdown documents from templates, their paragraphs and tables."""

import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import jinja2


def paragraph(*sentences: str) -> str:
    """Sentences as one paragraph in lines of at most 100 characters."""
    text = ' '.join(sentences)
    text = textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)
    # Escapes '-', '1.' and the like at the start of a line, which would begin a list or heading.
    return re.sub(r'(?m)^(\d*)([-+*#>.)])(?=\s)', r'\1\\\2', text)


def bullet(text: str) -> str:
    """One list item, with its continuation lines indented."""
    return textwrap.indent(paragraph(text), '  ').replace('  ', '- ', 1)


def wrap(document: str) -> str:
    """Wraps the paragraphs and list items of a whole document, which blank lines separate.

    Headings, tables and images stay as they are.
    """
    blocks = r'(?:.*\S.*\n?)+'  # Runs of lines that are not blank.
    return re.sub(blocks, lambda block: f'{_wrap_block(block[0].strip())}\n', document)


def _wrap_block(block: str) -> str:
    if block.startswith(('#', '|', '![')):
        return block
    if block.startswith('- '):
        items = re.split(r'(?m)^- ', block)[1:]
        return '\n'.join(bullet(' '.join(item.split())) for item in items)
    return paragraph(*block.split())


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with one line per row; cells must not contain line breaks or '|'."""
    lines = [headings, ['---'] * len(headings), *rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def data_flags(source: str) -> str:
    """The flags with which a study reads digits of that data.source; none for the bundled ones."""
    return '' if source == 'bundled' else f' --data_source={source} --data_dir=path/to/digits'


def render(package: str, template: str, **context: Any) -> str:
    """A Markdown document from a jinja2 template, without blank lines at its ends.

    Besides jinja2's own filters, templates have `wrap` for a whole document and `paragraph` and
    `bullet` for parts of one, which wrap text to lines of at most 100 characters, and `table`,
    which takes rows and headings. `data_flags` turns a data.source into a study's flags.

    Raises: jinja2.UndefinedError where the template uses a name that the context lacks.

    Args:
      package: the Python package whose folder templates/ holds the template.
      template: its file name.
      **context: the variables of the template.
    """
    environment = make_environment(package)
    environment.filters |= {
        'wrap': wrap,
        'paragraph': lambda text: paragraph(*text.split()),
        'data_flags': data_flags,
        'bullet': lambda text: bullet(' '.join(text.split())),
        'table': lambda rows, *headings: table(headings, rows),
    }
    return environment.get_template(template).render(context).strip('\n') + '\n'


def make_environment(package: str, autoescape: bool = False) -> jinja2.Environment:
    """A jinja2 environment for the templates of a package; undefined names are errors."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
