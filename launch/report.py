"""Writes one HTML page about experiments: python launch/report.py WORKDIR... [--out=report.html]"""

from pathlib import Path

from absl import flags

from pairjax.cli import run_main

OUT = flags.DEFINE_string('out', 'report.html', 'the page, one file that needs no other')


def main(workdirs: list[str]) -> None:
    # jax, pandas and matplotlib are imported only now, so that a mistyped flag is reported at once.
    from pairjax.inference.pair_predictions import predict_selected
    from pairjax.reporting.html.report import read_experiments, write_report

    results = read_experiments([Path(workdir) for workdir in workdirs])
    write_report(results, list(map(predict_selected, results)), Path(OUT.value))
    print(f'report in {OUT.value}')


if __name__ == '__main__':
    run_main(main, positional=True)
