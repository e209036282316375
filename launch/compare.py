"""Compares trials over common seeds: python launch/compare.py runs/auxnet1 runs/auxnet2

A workdir means its selected trial, WORKDIR:3 for trial 3 of its summary.json, WORKDIR:all for
every trial.
"""

from pathlib import Path

from absl import flags

from pairjax.cli import run_main

MEASURE = flags.DEFINE_string(
    'measure',
    'final_test_accuracy',
    'statistic of summary.json, such as final_digit_accuracy',
)
AGAINST_FIRST = flags.DEFINE_bool(
    'against_first', False, 'compare all others with the first alone, as for an ablation'
)
OUT = flags.DEFINE_string(
    'out', None, 'folder of the plot; figures/ of the first workdir by default'
)


def main(arguments: list[str]) -> None:
    # pandas and matplotlib are imported only now, so that a mistyped flag is reported at once.
    from pairjax.analysis import paired
    from pairjax.reporting import progress
    from pairjax.reporting.comparison import show_comparison
    from pairjax.reporting.plots.comparison import draw_comparison
    from pairjax.reporting.plots.curves import save_figure

    result = paired.compare_workdirs(arguments, MEASURE.value, AGAINST_FIRST.value)
    console = progress.make_console()
    show_comparison(result, console)
    path = Path(OUT.value or result.arms[0].experiment.workdir / 'figures') / 'comparison.png'
    save_figure(draw_comparison(result), path)
    console.print(f'plot in {path}, with a PDF beside it', markup=False, soft_wrap=True)


if __name__ == '__main__':
    run_main(main, positional=True)
