"""The document of a reproduction, made from its results and recorded figures. No jax in here."""

import collections
from collections.abc import Mapping, Sequence
from pathlib import Path

from pairjax.reporting.markdown import bullet, paragraph
from pairjax.studies.reproduction import report1_claims, report2_claims
from pairjax.studies.reproduction.claims import (
    FAILS,
    HOLDS,
    OPEN,
    RESOLUTION,
    Verdict,
    judge_claims,
)
from pairjax.studies.reproduction.disagreements import differences_everywhere, disagreements
from pairjax.studies.reproduction.headline import headline_table, headlines
from pairjax.studies.reproduction.recorded import read_report
from pairjax.studies.reproduction.results import Results, experiment_names, read_results
from pairjax.studies.reproduction.sections import first_report, second_report, sweep_rows
from pairjax.studies.reproduction.tables import ran_table, verdict_table
from pairjax.system import replace_text

CLAIMS = {1: report1_claims.CLAIMS, 2: report2_claims.CLAIMS}
TITLES = {1: 'First report', 2: 'Second report'}


def write_reproduction(
    reports: Sequence[int], workdirs: Mapping[str, Path], root: Path, out: Path, quick: bool
) -> Path:
    """Writes out/reproduction.md and its pictures in out/figures.

    Args:
      reports: which reports, 1 and 2.
      workdirs: of the finished experiments by name, as `reproduction.reproduce` returns them.
      root: the directory that holds them and the majority's accuracy.
      out: the directory of the document; made where it is missing.
      quick: whether the document must say that its runs only show that everything works.

    Returns: the path of reproduction.md.
    Raises: UserError where nothing is finished or a file cannot be written.
    """
    results = read_results(workdirs, root)
    text = reproduction_document(reports, results, out / 'figures', quick)
    path = out / 'reproduction.md'
    replace_text(path, text)
    return path


def reproduction_document(
    reports: Sequence[int], results: Results, figures: Path, quick: bool
) -> str:
    """The document in Markdown; draws its pictures into `figures`, which stands beside it."""
    rows = sweep_rows(results) if 1 in reports else {}
    main_figures = headlines(results, reports)
    verdicts = [v for report in reports for v in judge_claims(CLAIMS[report], results)]
    missing = [n for report in reports for n in experiment_names(report)]
    missing = [name for name in missing if name not in results.experiments]
    parts = ['# Both reports again', *_opening(results, reports, missing, quick)]
    parts += ['## Main figures', headline_table(main_figures), _rules()]
    for report in reports:
        mine = [verdict for verdict in verdicts if verdict.report == report]
        parts += [f'## {TITLES[report]}: what it says', verdict_table(mine), _tally(mine)]
    texts = disagreements(results, main_figures, rows, verdicts)
    parts += ['## Where figures disagree', paragraph(differences_everywhere(results))]
    parts.append('\n'.join(map(bullet, texts)) if texts else 'No figure disagrees.')
    if 1 in reports:
        parts += first_report(results, rows, figures)
    if 2 in reports:
        parts += second_report(results, figures)
    parts += ['## What ran', ran_table(results.experiments), _clock()]
    return '\n\n'.join(parts) + '\n'


def _clock() -> str:
    return paragraph(
        'Training, evaluation included, adds up to the wall clock: programs that train side by',
        'side count in parts. Compilation goes on while others train.',
    )


def _opening(
    results: Results, reports: Sequence[int], missing: Sequence[str], quick: bool
) -> list[str]:
    """What was run on what, and what recorded figures are."""
    first = next(iter(results.experiments.values()))
    seeds = {
        len(trial.summary['seeds']) for e in results.experiments.values() for trial in e.trials
    }
    source = first.data['source']
    command = f'python launch/reproduce.py --report={"all" if len(reports) > 1 else reports[0]}'
    command += ' --quick' if quick else ''
    if source != 'bundled':
        command += f' --data_source={source} --data_dir=path/to/digits'
    parts = []
    if quick:
        text = (
            '**This was a quick run: few trials of few epochs with few seeds. It shows that '
            'everything works; none of its figures and verdicts says anything about the reports.**'
        )
        parts.append(paragraph(text))
    versions = ', '.join(f'{n} {first.versions[n]}' for n in ('pairjax', 'jax', 'flax', 'python'))
    parts += [
        f'`{command}` wrote this document, all of it.',
        paragraph(
            f'Digits: `{source}`, {first.data["train_pool"]:,} images to train and '
            f'{first.data["test_pool"]:,} to test. Seeds of a trial: '
            f'{" or ".join(map(str, sorted(seeds)))}. Versions: {versions}.'
        ),
        '\n'.join(bullet(f'Recorded: {read_report(report)["source"]}.') for report in reports),
    ]
    if missing:
        parts.append(paragraph(f'**Not finished, and so missing here: {", ".join(missing)}.**'))
    return parts


def _rules() -> str:
    """How figures and verdicts are to be read."""
    return paragraph(
        'Accuracies are on 1,000 test pairs a seed in percent, ours as mean +- standard deviation',
        '[95 % interval of the mean] (n seeds). *Final epoch* is the last one; *best epoch on',
        'test* is the highest over all epochs, per seed, as the first report has it: an optimistic',
        'figure. A stated figure holds where the 95 % interval of the difference allows it and',
        f'reaches no further than {100 * RESOLUTION:.0f} points to either side; where it is wider,',
        'it cannot be told. A recorded figure without a deviation is taken to deviate as ours',
        'does. Differences between our own trials are paired over common seeds. A sentence that',
        'says which is better holds where the whole 95 % interval says so, and does not where all',
        'of it says the opposite.',
    )


def _tally(verdicts: Sequence[Verdict]) -> str:
    counts = collections.Counter(verdict.verdict for verdict in verdicts)
    each = ', '.join(f'{counts[verdict]} "{verdict}"' for verdict in (HOLDS, FAILS, OPEN))
    return f'Of {len(verdicts)} sentences: {each}.'
