"""Compares trials over common seeds: python launch/compare.py runs/auxnet1 runs/auxnet2

A workdir means its selected trial, WORKDIR:3 for trial 3 of its summary.json, WORKDIR:all for
every trial; WORKDIR+WORKDIR is one arm whose seeds are in several workdirs. With --published, one
trial is enough.
"""

from pathlib import Path

from absl import flags

from pairjax.cli import run_main
from pairjax.errors import UserError

MEASURE = flags.DEFINE_string(
    'measure',
    'final_test_accuracy',
    'statistic of summary.json, such as final_digit_accuracy',
)
AGAINST_FIRST = flags.DEFINE_bool(
    'against_first', False, 'compare all others with the first alone, as for an ablation'
)
MARGIN = flags.DEFINE_float(
    'margin',
    None,
    'percentage points below which a difference counts as none: also tests equivalence',
)
SEQUENTIAL = flags.DEFINE_bool(
    'sequential',
    False,
    'intervals and p-values that are valid at every number of seeds at once, so that seeds may be '
    'added until they settle it',
)
PUBLISHED = flags.DEFINE_string(
    'published', None, 'also compare with a published "mean std n", percent; "mean" alone will do'
)
TEXT = flags.DEFINE_bool('text', False, 'also print a paragraph to paste, and the same as LaTeX')
TEST_IMAGES = flags.DEFINE_bool(
    'test_images',
    True,
    'where test images are few, evaluate the checkpoints for intervals over other test images too',
)
OUT = flags.DEFINE_string(
    'out', None, 'folder of the plot; figures/ of the first workdir by default'
)


def main(arguments: list[str]) -> None:
    # pandas and matplotlib are imported only now, so that a mistyped flag is reported at once.
    from pairjax.analysis.arms import read_arms
    from pairjax.reporting import progress

    margin = MARGIN.value
    if margin is not None and not 0 < margin <= 100:
        raise UserError(f'--margin={margin:g} must be percentage points from above 0 to 100')
    fraction = None if margin is None else margin / 100
    console = progress.make_console()
    if PUBLISHED.value is not None:
        compare_with_number(arguments, fraction, console)
    if PUBLISHED.value is None or len(read_arms(arguments, fewest=1)) > 1:
        compare_arms(arguments, fraction, console)


def compare_with_number(arguments: list[str], margin: float | None, console) -> None:
    """Prints each trial against --published."""
    from pairjax.analysis import published
    from pairjax.analysis.arms import read_arms
    from pairjax.reporting.published import published_paragraphs, show_published

    if SEQUENTIAL.value:
        raise UserError('--published has no --sequential: its runs cannot be paired; leave one out')
    number = published.parse_published(PUBLISHED.value)
    arms = read_arms(arguments, fewest=1)
    rows = published.compare_with_published(arms, MEASURE.value, number, margin)
    show_published(rows, number, MEASURE.value, console)
    if TEXT.value:
        print_text(published_paragraphs(rows, number, MEASURE.value), console)


def compare_arms(arguments: list[str], margin: float | None, console) -> None:
    """Prints and draws the paired comparison of the trials."""
    from pairjax.analysis import paired
    from pairjax.reporting.comparison import show_comparison
    from pairjax.reporting.plots.comparison import draw_comparison
    from pairjax.reporting.plots.curves import save_figure
    from pairjax.reporting.progress import make_console, tracker
    from pairjax.reporting.text import comparison_paragraphs

    options = paired.ComparisonOptions(AGAINST_FIRST.value, margin, SEQUENTIAL.value)
    track = tracker(make_console(stderr=True))
    result = paired.compare_workdirs(arguments, MEASURE.value, options, track)
    if TEST_IMAGES.value and result.needs_images:
        result = over_images(result, track)
    show_comparison(result, console)
    if TEXT.value:
        print_text(comparison_paragraphs(result), console)
    path = Path(OUT.value or result.arms[0].experiment.workdir / 'figures') / 'comparison.png'
    save_figure(draw_comparison(result), path)
    console.print(f'plot in {path}, with a PDF beside it', markup=False, soft_wrap=True)
    if SEQUENTIAL.value:
        from pairjax.reporting.plots.sequential import draw_sequence

        for number, pair in enumerate(result.pairs):
            name = f'{pair.a} - {pair.b}'
            sequence = path.with_name(f'sequence_{number}.png')
            save_figure(draw_sequence(pair.differences, name, margin), sequence)
        console.print(
            f'the intervals while seeds were added: {path.parent}/sequence_*.png',
            markup=False,
            soft_wrap=True,
        )


def over_images(result, track):
    """The comparison with intervals over other test images too, or why there are none."""
    for workdir in (path for arm in result.arms for path in arm.experiment.workdirs):
        directory = workdir / 'checkpoints'
        if not directory.is_dir():
            note = f'no interval over other test digits: {directory} does not exist'
            return result._replace(crossed_note=note)
    # jax is imported only here.
    from pairjax.inference.image_influence import with_images

    return with_images(result, track)


def print_text(paragraphs: list[str], console) -> None:
    """Prints paragraphs, then the same as LaTeX."""
    from pairjax.reporting.text import as_latex

    latex = ['as LaTeX:', *map(as_latex, paragraphs)]
    for text in ['', *paragraphs, *latex]:
        console.print(text, markup=False, soft_wrap=True)


if __name__ == '__main__':
    run_main(main, positional=True)
