"""Writes one HTML page about experiments: python launch/report.py WORKDIR... [--out=report.html]"""

from pathlib import Path

from absl import flags

from pairjax.cli import run_main

OUT = flags.DEFINE_string('out', 'report.html', 'the page, one file that needs no other')


def main(workdirs: list[str]) -> None:
    # pandas and matplotlib are imported only now, so that a mistyped flag is reported at once.
    from pairjax.reporting.html.report import write_report

    write_report([Path(workdir) for workdir in workdirs], Path(OUT.value))
    print(f'report in {OUT.value}')


if __name__ == '__main__':
    run_main(main, positional=True)
