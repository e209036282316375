"""The console report of trials against a published number, and a paragraph on each."""

from collections.abc import Sequence

from rich.console import Console

from pairjax.analysis.paired import measure_name
from pairjax.analysis.published import AgainstPublished, Published, assumptions
from pairjax.analysis.verdicts import is_within
from pairjax.reporting.format import format_difference, p_text, points_span
from pairjax.reporting.markdown import make_environment
from pairjax.reporting.tables import Cell, console_table


def show_published(
    rows: Sequence[AgainstPublished], published: Published, measure: str, console: Console
) -> None:
    """Prints one row per arm, and notes on what is assumed."""
    columns = {
        'arm': [row.arm for row in rows],
        'n': [row.n for row in rows],
        'mean +- std [95 %]': [row.statistic for row in rows],
        'minus published [95 %]': [
            Cell(format_difference(row.difference), row.difference.mean) for row in rows
        ],
        'p': [Cell(p_text(row.p_value), row.p_value) for row in rows],
        'Holm p': [Cell(p_text(row.adjusted_p), row.adjusted_p) for row in rows],
    }
    if rows[0].equivalence:
        heading = f'within {100 * rows[0].equivalence.margin:g}?'
        columns |= {
            f'{heading} [90 %]': [Cell(points_span(*row.equivalence.interval)) for row in rows],
            f'{heading} Holm p': [Cell(p_text(row.equivalence.adjusted_p)) for row in rows],
        }
    columns['verdict'] = [row.verdict for row in rows]
    title = f'{measure_name(measure)} in percent, against {published_text(published)}'
    console.print(console_table(title, columns))
    for note in published_notes(published):
        console.print(note, markup=False, soft_wrap=True)


def published_text(published: Published) -> str:
    """The number in words: 'the published 93.8 +- 0.4 (n = 5)'."""
    std = '' if published.std is None else f' +- {100 * published.std:g}'
    n = '' if published.n is None else f' (n = {published.n})'
    return f'the published {100 * published.mean:g}{std}{n}'


def published_notes(published: Published) -> list[str]:
    """What is assumed of the published number."""
    notes = [
        "p and intervals: Welch's t, for independent runs that are nearly normal; it cannot say "
        'whether data, preprocessing or the choice of the epoch were the same'
    ]
    return notes + [text for text in [assumptions(published)] if text]


def published_paragraphs(
    rows: Sequence[AgainstPublished], published: Published, measure: str
) -> list[str]:
    """One paragraph per arm: test, n, effect, interval, verdict, and what may not be said."""
    template = make_environment('pairjax.reporting').get_template('published.txt')
    return [
        ' '.join(
            template.render(
                row=row,
                num_rows=len(rows),
                measure=measure_name(measure),
                published=published_text(published),
                assumed=assumptions(published),
                within=is_within(row.equivalence),
                format_difference=format_difference,
                points_span=points_span,
                p_text=p_text,
            ).split()
        )
        for row in rows
    ]
