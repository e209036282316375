"""Executes docs/tour.ipynb in a fresh kernel: python docs/run_tour.py [--write]

Fails where a cell fails, or where docs/tour.md is not what the notebook says. With --write the
outputs go into the notebook, and docs/tour.md with its pictures is made from it. Needs
`pip install -e '.[notebook]'`.
"""

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from traitlets.config import Config

DOCS = Path(__file__).parent
NOTEBOOK, PAGE, PICTURES = DOCS / 'tour.ipynb', DOCS / 'tour.md', 'figures/tour'
NOTE = '<!-- Made from tour.ipynb by docs/run_tour.py. -->\n\n'


def execute(notebook: nbformat.NotebookNode) -> float:
    """Executes every cell in a fresh kernel, and returns the seconds that this took.

    Raises: nbclient.exceptions.CellExecutionError where a cell fails.
    """
    started = time.monotonic()
    NotebookClient(
        notebook,
        timeout=600,
        startup_timeout=600,
        kernel_name='python3',
        record_timing=False,
        resources={'metadata': {'path': str(DOCS)}},
    ).execute()
    # What of the machine it ran on would change with every run.
    notebook.metadata['language_info'] = {'name': 'python'}
    return time.monotonic() - started


def as_page(notebook: nbformat.NotebookNode) -> tuple[str, dict[str, bytes]]:
    """The notebook as Markdown, and its pictures by their paths below docs/."""
    # Tables as text: HTML would bring a style sheet with every one.
    config = Config(
        {'NbConvertBase': {'display_data_priority': ['image/png', 'text/plain', 'text/markdown']}}
    )
    resources = {'unique_key': 'tour', 'output_files_dir': PICTURES}
    text, resources = MarkdownExporter(config=config).from_notebook_node(notebook, resources)
    lines = [line.rstrip() for line in text.strip().splitlines()]
    return NOTE + '\n'.join(lines) + '\n', resources['outputs']


def main() -> None:
    """Executes, and compares or writes."""
    committed = nbformat.read(NOTEBOOK, as_version=4)
    executed = nbformat.from_dict(committed)
    print(f'tour.ipynb: {execute(executed):.0f} s from a fresh kernel')
    if '--write' in sys.argv[1:]:
        nbformat.write(executed, NOTEBOOK)
        page, pictures = as_page(executed)
        PAGE.write_text(page)
        for old in (DOCS / PICTURES).glob('*'):
            old.unlink()
        for name, content in pictures.items():
            (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
            (DOCS / name).write_bytes(content)
        return
    page, pictures = as_page(committed)
    stale = [name for name, content in pictures.items() if (DOCS / name).read_bytes() != content]
    if PAGE.read_text() != page or stale:
        sys.exit('docs/tour.md is not what docs/tour.ipynb says; run docs/run_tour.py --write')


if __name__ == '__main__':
    main()
