"""One HTML page of one or several experiments, to be sent around."""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pairjax import __version__
from pairjax.analysis.arms import ComparedTrial
from pairjax.analysis.error_analysis import PairPredictions
from pairjax.analysis.paired import seed_list
from pairjax.analysis.results import FINAL, ExperimentResult, read_experiment
from pairjax.config import flatten
from pairjax.errors import UserError
from pairjax.reporting.html.comparison import comparison_sections
from pairjax.reporting.html.page import Section, render_page
from pairjax.reporting.html.plots import experiment_plots
from pairjax.reporting.html.predictions import predictions_section
from pairjax.reporting.html.tables import (
    changed_fields,
    config_tables,
    seeds_table,
    statistic_text,
    trials_table,
)

INTRODUCTION = (
    'Accuracies are percent of pairs (digits: of images): mean ± standard deviation over n seeds '
    '[95 % interval of the mean]. The best epoch on test is chosen for each seed on the test pairs '
    'themselves, so its accuracy is optimistic. The selected trial has the best validation '
    'accuracy at the final epoch. Click a heading to sort by it.'
)


def read_experiments(workdirs: Sequence[Path]) -> list[ExperimentResult]:
    """Reads finished workdirs; where names are not unique, a name says its path too.

    Raises: UserError where one is none, is not finished, is damaged or is named twice.
    """
    if not workdirs:
        raise UserError('name a workdir or several, such as runs/auxnet2')
    resolved = [workdir.resolve() for workdir in workdirs]
    for workdir, path in zip(workdirs, resolved, strict=True):
        if resolved.count(path) > 1:
            raise UserError(f'{workdir} is named twice; name each workdir once')
    results = [read_experiment(workdir) for workdir in workdirs]
    if len({result.name for result in results}) < len(results):
        results = [
            dataclasses.replace(r, summary={**r.summary, 'name': f'{r.name} in {r.workdir}'})
            for r in results
        ]
    return results


def write_report(
    results: Sequence[ExperimentResult], predictions: Sequence[PairPredictions | str], out: Path
) -> None:
    """Writes the page; the same results give the same bytes.

    Args:
      results: as `read_experiments` gives them.
      predictions: of each selected trial, or the sentence why there are none.
      out: the file.

    Raises: UserError where the page cannot be written or a metrics.jsonl is damaged.
    """
    page = render_report(results, predictions)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(page.encode())
    except OSError as error:
        raise UserError(
            f'--out={out} cannot be written ({error.strerror or error}); name a file in a folder '
            'in which you may write'
        ) from None


def render_report(
    results: Sequence[ExperimentResult], predictions: Sequence[PairPredictions | str]
) -> str:
    """The page of `write_report`: several experiments side by side, and each of them."""
    sections = list(map(experiment_section, results, predictions))
    title = results[0].name
    if len(results) > 1:
        title = f'{len(results)} experiments'
        sections = [*side_by_side(results), *sections]
    return render_page(title, INTRODUCTION, sections, f'pairjax {__version__}')


def side_by_side(results: Sequence[ExperimentResult]) -> list[Section]:
    """The selected trials of several experiments compared."""
    selected = [(result, result.selected_trial) for result in results]
    arms = [ComparedTrial(result.name, result, trial) for result, trial in selected if trial]
    notes = [
        f'{result.name} has no selected trial, because every run failed.'
        for result, trial in selected
        if trial is None
    ]
    return comparison_sections(arms, notes) if arms else []


def experiment_section(result: ExperimentResult, predictions: PairPredictions | str) -> Section:
    """Everything about one experiment."""
    return Section(
        title=result.name,
        facts=experiment_facts(result),
        notes=experiment_notes(result),
        parts=[
            *experiment_plots(result),
            trials_table(result),
            seeds_table(result),
            *config_tables(result.config),
        ],
        inner=[predictions_section(predictions, result.selected_trial)],
        command=command(result.config),
        command_note=f'Made with {", ".join(f"{k} {v}" for k, v in result.versions.items())}.',
    )


def experiment_facts(result: ExperimentResult) -> list[tuple[str, str]]:
    """What the experiment is and what it found: names and texts."""
    config, data, timing = flatten(result.config), result.data, result.timing
    name, accuracy = 'none, every run failed', '-'
    if result.selected_trial is not None:
        name = result.selected_trial.name
        accuracy = statistic_text(result.selected_trial.statistic(FINAL))
    seeds = range(config['seed'], config['seed'] + config['num_seeds'])
    parts = ('train', 'validation', 'test')
    return [
        ('selected trial', name),
        ('its final test accuracy', accuracy),
        ('trials', str(len(result.trials))),
        ('seeds of each', seed_list(seeds)),
        ('pairs a seed', ', '.join(f'{config[f"data.num_{p}_pairs"]:,} {p}' for p in parts)),
        (
            'digits',
            f'{data["source"]}, {data["num_classes"]} classes, {data["train_pool"]:,} train and '
            f'{data["test_pool"]:,} test images, fingerprint {data["fingerprint"]}',
        ),
        (
            'time',
            f'{timing["seconds_per_run"]:.2f} s a run; devices: {timing["devices"]}; '
            f'{timing["compile_seconds"]:.1f} s of compilation',
        ),
    ]


def experiment_notes(result: ExperimentResult) -> list[str]:
    """What a reader must know about the statistics."""
    notes = []
    for trial in result.trials:
        if trial.failed_seeds:
            notes.append(
                f'{trial.name}: failed seeds, whose loss became NaN and which no statistic '
                f'counts: {seed_list(trial.failed_seeds)}.'
            )
        if trial.failure:
            notes.append(f'{trial.name} was not trained: {trial.failure}.')
    if result.data['source'] == 'bundled':
        notes.append(
            f'All seeds draw their test pairs from the same {result.data["test_pool"]:,} images; '
            'the intervals do not include the chance of having drawn these.'
        )
    return notes


def command(config: Mapping[str, Any]) -> str:
    """The command that trains this config, whatever config file it came from."""
    flags = [f'--config.{name}={value}' for name, value in changed_fields(config).items()]
    # This config file is default_config() as it is.
    words = ['--config=configs/auxnet2.py', *flags]
    return ' \\\n  '.join(['python launch/main.py', *map(quoted, words)])


def quoted(word: str) -> str:
    """A word for a shell; in double quotes where that spares quoting every single quote."""
    return f'"{word}"' if "'" in word and not set(word) & set('"$`\\!') else shlex.quote(word)
