"""Runs every simulation and writes docs/statistics.md."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from pairjax.reporting.markdown import render
from pairjax.reporting.plots.curves import save_figure
from pairjax.reporting.plots.sequential import draw_sequence
from pairjax.studies.statistics import fixed, images, looking, populations
from pairjax.system import Track, replace_text, untracked

# Per number of images the repeats by number of seeds: fewer where each takes longer.
IMAGE_DESIGN = {
    2_000: {2: 10_000, 3: 6_000, 5: 4_000, 10: 3_000, 20: 1_000, 50: 500},
    10_000: {2: 1_000, 3: 1_000, 5: 1_000, 10: 600, 20: 400, 50: 200},
}
BOOTSTRAPS = 300


def write_statistics(out: Path, scale: float = 1.0, track: Track = untracked) -> Path:
    """Simulates and writes out/statistics.md, and a plot in out/figures.

    Args:
      out: the directory; made where it is missing.
      scale: of all numbers of repeats; below 1 for a try.
      track: shows how far each simulation is.

    Returns: the path of statistics.md.
    """
    results = simulate_all(scale, track)
    differences = populations.halves_of_first()
    figure = draw_sequence(differences, 'AuxNet2 against itself', margin=0.01)
    plot, path = out / 'figures' / 'statistics_sequence.png', out / 'statistics.md'
    save_figure(figure, plot)
    text = render(
        'pairjax.studies.statistics',
        'statistics.md',
        **results,
        recorded=populations.recorded()[populations.FIRST_ARM],
        std=100 * populations.recorded_std() / 2**0.5,
        looking=looking,
        first_arm=populations.FIRST_ARM,
        plot=plot.name,
        np=np,
    )
    replace_text(path, text)
    return path


def simulate_all(scale: float, track: Track) -> dict[str, Any]:
    """The rows of every table, by name."""
    repeats = max(20, int(scale * fixed.REPEATS))
    both = ('normal', 'our runs')

    def rows(name: str, calls: Iterable[Callable[[], Any]]) -> list[Any]:
        return [call() for call in track(list(calls), f'simulating {name}')]

    def every(function, *arguments, number=repeats):
        return (lambda args=args: function(*args, number) for args in arguments)

    sized = [(p, n) for p in populations.POPULATIONS for n in fixed.SIZES]
    designs = [(n, m, k) for m, sizes in IMAGE_DESIGN.items() for n, k in sizes.items()]
    family = max(20, repeats // 5)
    return {
        'repeats': repeats,
        'family_repeats': family,
        'intervals': rows('intervals', every(fixed.simulate_intervals, *sized)),
        'equivalences': rows('equivalence', every(fixed.simulate_equivalence, *sized)),
        'families': rows(
            'families', every(fixed.simulate_family, *((n,) for n in fixed.SIZES), number=family)
        ),
        'published': rows(
            'published numbers', every(fixed.simulate_published, *((n,) for n in fixed.SIZES))
        ),
        'looks': rows(
            'looking after every seed',
            every(looking.simulate_looking, *((p,) for p in populations.POPULATIONS)),
        ),
        'arms': rows(
            'real arms',
            every(
                looking.simulate_arm,
                *((arm,) for arm in populations.recorded() if arm != populations.FIRST_ARM),
            ),
        ),
        'needed': rows(
            'seeds needed',
            every(looking.simulate_seeds_needed, *((e, p) for p in both for e in looking.EFFECTS)),
        ),
        'sequences': [
            row
            for found in rows(
                'sequences', every(looking.simulate_sequence_coverage, *((p,) for p in both))
            )
            for row in found
        ],
        'crossed': rows(
            'seeds and images',
            (
                lambda n=n, m=m, k=k: images.simulate_images(
                    n, m, max(20, int(scale * k)), int(scale * BOOTSTRAPS) if n == 10 else 0
                )
                for n, m, k in designs
            ),
        ),
        'bootstraps': max(1, int(scale * BOOTSTRAPS)),
        'most_seeds': looking.MOST_SEEDS,
    }
