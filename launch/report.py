"""Writes one HTML page about experiments: python launch/report.py WORKDIR... [--out=report.html]

WORKDIR+WORKDIR is one experiment whose seeds are in several workdirs.
"""

from pathlib import Path

from absl import flags

from pairjax.cli import run_main

OUT = flags.DEFINE_string('out', 'report.html', 'the page, one file that needs no other')


def main(workdirs: list[str]) -> None:
    # jax, pandas and matplotlib are imported only now, so that a mistyped flag is reported at once.
    from pairjax.inference.pair_predictions import predict_selected
    from pairjax.reporting.html.report import read_experiments, write_report
    from pairjax.reporting.progress import make_console, tracker

    track = tracker(make_console(stderr=True))
    results = read_experiments(workdirs)
    predictions = list(map(predict_selected, track(results, 'evaluating')))
    write_report(results, predictions, Path(OUT.value), track)
    print(f'report in {OUT.value}')


if __name__ == '__main__':
    run_main(main, positional=True)
