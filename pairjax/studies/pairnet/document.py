"""What PairNet reaches and what each of its ingredients is worth, as a document. No jax in here."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pairjax.analysis.paired import Pair, compare_workdirs
from pairjax.reporting.format import interval, points, points_span
from pairjax.reporting.markdown import paragraph, table
from pairjax.reporting.plots.augmentation import draw_augmentations
from pairjax.reporting.plots.curves import save_figure
from pairjax.workdir.workdir import read_config, read_summary, writing

# Figures of summary.json in which arms are compared, and what they are over.
MEASURES = {
    'final_validation_accuracy': 'validation pairs',
    'exact_pair_accuracy': 'all test pairs',
    'final_digit_accuracy': 'test digits',
}


def write_pairnet(
    workdirs: Mapping[str, Path],
    out: Path,
    originals: np.ndarray,
    distorted: Mapping[str, np.ndarray],
) -> Path:
    """Writes out/pairnet.md, and a picture of the distortions in out/figures.

    Args:
      workdirs: of pairnet, pairnet_ensemble and pairnet_ablation, those that are finished.
      out: the directory; made where it is missing.
      originals, distorted: digits, see `augmentation_figure.draw_augmentations`.

    Returns: the path of pairnet.md.
    Raises: UserError where a file cannot be read or written.
    """
    parts = ['# PairNet', opening(workdirs)]
    networks = [name for name in ('pairnet', 'pairnet_ensemble') if name in workdirs]
    if networks:
        parts += ['## What it reaches', reached([workdirs[name] for name in networks])]
    if 'pairnet_ablation' in workdirs:
        parts += ['## What each ingredient is worth', ablation(workdirs['pairnet_ablation'])]
    picture = out / 'figures' / 'pairnet_augmentations.png'
    save_figure(draw_augmentations(originals, distorted), picture)
    parts += ['## What it trains on', distortions(picture.name)]
    path = out / 'pairnet.md'
    with writing(path):
        out.mkdir(parents=True, exist_ok=True)
        path.write_text('\n\n'.join(parts) + '\n')
    return path


def opening(workdirs: Mapping[str, Path]) -> str:
    """What is measured, on what, and what chose."""
    data = read_config(next(iter(workdirs.values())))['data']
    return paragraph(
        'Written by `python launch/pairnet.py`. PairNet is a digit classifier shared by both',
        'images of a pair; it trains on the two digits of 1,000 pairs and nothing else, and',
        f'the digits read decide the pair. Digits: {data["source"]}, {data["train_pool"]:,} to',
        f'train and {data["test_pool"]:,} to test. *All test pairs* is the accuracy over every',
        'ordered pair of distinct images of the test pool, computed from what is read in each',
        'image; *test pairs* is that over the 1,000 pairs which each seed draws. All figures',
        'are of the final epoch; docs/pairnet_search.md says what settings were chosen on.',
        'Means carry their standard deviation over n seeds and, in brackets, the 95 % Student',
        't interval of the mean.',
    )


def reached(workdirs: list[Path]) -> str:
    """One row an experiment."""
    rows = []
    for workdir in workdirs:
        summary = read_summary(workdir)
        for trial in summary['trials']:
            rows.append(
                [
                    f'`{summary["name"]}`',
                    f'{trial["num_params"]:,}',
                    str(len(trial['seeds']) - len(trial['failed_seeds'])),
                    *map(
                        percent,
                        (
                            trial['exact_pair_accuracy'],
                            trial['final_test_accuracy'],
                            trial['final_digit_accuracy'],
                        ),
                    ),
                    f'{summary["timing"]["seconds_per_run"]:.1f} s',
                ]
            )
    headings = ('config', 'parameters', 'n', 'all test pairs', 'test pairs', 'test digits', 'a run')
    return table(headings, rows)


def ablation(workdir: Path) -> str:
    """One row an arm: what it changes, and the paired difference from the first trial."""
    trials = read_summary(workdir)['trials']
    compared = {measure: differences(workdir, trials, measure) for measure in MEASURES}
    rows = []
    for number, trial in enumerate(trials[1:], 1):
        pairs = [compared[measure].get(number) for measure in MEASURES]
        rows.append(
            [
                changes(trial['hyperparameters'], trials[0]['hyperparameters']),
                f'{trial["num_params"]:,}',
                *(
                    f'{points(p.paired.mean)} {points_span(*interval(p.paired))}' if p else '-'
                    for p in pairs
                ),
                f'{pairs[0].adjusted_p:.2g}',
            ]
        )
    config = read_config(workdir)['config']
    data = config['data']
    text = paragraph(
        'Each row changes one ingredient of `pairnet`, in',
        f'{config["train"]["num_epochs"]} epochs; differences from it in percentage',
        f'points over the same n = {len(trials[0]["seeds"])} seeds, with 95 % intervals. The first',
        f'column of differences is on {data["num_validation_pairs"]:,} validation pairs a',
        'seed, which is what settings were chosen on; p is its sign-flip test, adjusted by',
        "Holm's method over all rows.",
    )
    headings = ('changed', 'parameters', *MEASURES.values(), 'Holm p')
    return f'{text}\n\n{table(headings, rows)}'


def distortions(picture: str) -> str:
    """The picture, and what it shows."""
    text = paragraph(
        'In every epoch each image is distorted anew. First the original, then each distortion',
        'alone at its strength in `configs/pairnet.py` (degrees, logarithm of a factor, shear,',
        'pixels, logarithm of an exponent), then three draws of all together.',
    )
    return f'![digits and their distortions](figures/{picture})\n\n{text}'


def differences(
    workdir: Path, trials: Sequence[Mapping[str, Any]], measure: str
) -> dict[int, Pair]:
    """By number, each trial against the first; without those that lack the figure."""
    numbers = [number for number, trial in enumerate(trials) if trial[measure] is not None]
    arms = [f'{workdir}:{number}' for number in numbers]
    compared = compare_workdirs(arms, measure, against_first=True)
    return dict(zip(numbers[1:], compared.pairs, strict=True))


def changes(setting: Mapping[str, Any], first: Mapping[str, Any]) -> str:
    """The fields in which a trial differs from the first, such as augment.gamma=0."""
    changed = [(name, value) for name, value in setting.items() if value != first[name]]
    return ', '.join(f'`{name}={_shown(value)}`' for name, value in changed)


def _shown(value: Any) -> str:
    return f'{value:g}' if isinstance(value, float) else str(value)


def percent(figure: Mapping[str, Any] | None) -> str:
    """A figure of summary.json in percent, with two decimals."""
    if figure is None or figure['mean'] is None:
        return '-'
    text = f'{100 * figure["mean"]:.2f}'
    if figure['std'] is None:
        return text
    low, high = 100 * np.array(figure['ci95'])
    return f'{text} +- {100 * figure["std"]:.2f} [{low:.2f}, {high:.2f}]'
