"""Simulates every interval and test: python launch/check_statistics.py [--out=docs]"""

from pathlib import Path

from absl import flags

from pairjax.cli import run_main

OUT = flags.DEFINE_string('out', 'docs', 'where statistics.md goes')
SCALE = flags.DEFINE_float(
    'scale', 1.0, 'of all numbers of repeats; 0.01 to see it work', lower_bound=0.0
)


def main() -> None:
    from pairjax.reporting.progress import make_console, tracker
    from pairjax.studies.statistics.document import write_statistics

    track = tracker(make_console(stderr=True))
    print(f'coverage and error rates: {write_statistics(Path(OUT.value), SCALE.value, track)}')


if __name__ == '__main__':
    run_main(main)
