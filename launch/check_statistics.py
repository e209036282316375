"""Simulates every interval and test: python launch/check_statistics.py [--out=docs]"""

from pathlib import Path

from absl import flags

from pairjax.cli import run_main

OUT = flags.DEFINE_string('out', 'docs', 'where statistics.md goes')
SCALE = flags.DEFINE_float(
    'scale', 1.0, 'of all numbers of repeats; 0.01 to see it work', lower_bound=0.0
)


def main() -> None:
    from pairjax.studies.statistics.document import write_statistics

    print(f'coverage and error rates: {write_statistics(Path(OUT.value), SCALE.value)}')


if __name__ == '__main__':
    run_main(main)
