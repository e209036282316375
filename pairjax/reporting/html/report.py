"""One HTML page of one or several experiments, to be sent around. No jax in here."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from pairjax import __version__
from pairjax.analysis.arms import Arm, finished_summary
from pairjax.analysis.error_analysis import Answers
from pairjax.analysis.paired import seed_list
from pairjax.config import flatten
from pairjax.errors import UserError
from pairjax.reporting.html.answers import answers_section, selected_answers
from pairjax.reporting.html.comparison import comparison_sections
from pairjax.reporting.html.page import Section, render_page
from pairjax.reporting.html.pictures import experiment_pictures
from pairjax.reporting.html.tables import (
    FINAL,
    changed_fields,
    config_tables,
    figure_text,
    seeds_table,
    trials_table,
)
from pairjax.trials import trial_names
from pairjax.workdir.schema import REPORTED_CONFIG, check_shape
from pairjax.workdir.workdir import Metrics, read_config

INTRODUCTION = (
    'Accuracies are percent of pairs (digits: of images): mean ± standard deviation over n seeds '
    '[95 % interval of the mean]. Final is after the last epoch. Best epoch on test is the '
    'maximum over epochs of each seed on the test pairs themselves, and so optimistic. The '
    'selected trial has the best final validation accuracy. A click on a heading sorts.'
)


class Experiment(NamedTuple):
    """A finished workdir: config and versions of config.json, summary.json, metrics.jsonl.

    answers: of the selected trial's networks, or the sentence why they cannot be asked.
    """

    name: str
    workdir: Path
    config: Mapping[str, Any]
    versions: Mapping[str, str]
    summary: Mapping[str, Any]
    metrics: pd.DataFrame
    answers: Answers | str


def write_report(workdirs: Sequence[Path], out: Path) -> None:
    """Writes the page of these workdirs; the same workdirs give the same bytes.

    Raises: UserError for a workdir that is none, is not finished or is named twice, and where the
      page cannot be written.
    """
    page = render_report(read_experiments(workdirs))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(page.encode())
    except OSError as error:
        raise UserError(
            f'--out={out} cannot be written ({error.strerror or error}); name a file in a folder '
            'in which you may write'
        ) from None


def read_experiments(workdirs: Sequence[Path]) -> list[Experiment]:
    """Reads finished workdirs; where names are not unique the paths stand beside them.

    Raises: UserError where one is none, is not finished, is damaged or is named twice.
    """
    if not workdirs:
        raise UserError('name a workdir or several, such as runs/auxnet2')
    resolved = [workdir.resolve() for workdir in workdirs]
    for workdir, path in zip(workdirs, resolved, strict=True):
        if resolved.count(path) > 1:
            raise UserError(f'{workdir} is named twice; name each workdir once')
    experiments = [read_experiment(workdir) for workdir in workdirs]
    if len({experiment.name for experiment in experiments}) < len(experiments):
        experiments = [e._replace(name=f'{e.name} in {e.workdir}') for e in experiments]
    return experiments


def read_experiment(workdir: Path) -> Experiment:
    """Reads one finished workdir."""
    summary, config = finished_summary(workdir), read_config(workdir)
    check_shape(config['config'], REPORTED_CONFIG, workdir / 'config.json')
    metrics = pd.DataFrame.from_records(Metrics(workdir).read())
    if metrics.empty:
        raise UserError(
            f'{workdir / "metrics.jsonl"} holds no line; it belongs beside summary.json'
        )
    name, versions = summary['name'], config['versions']
    answers = selected_answers(workdir, summary)
    return Experiment(name, workdir, config['config'], versions, summary, metrics, answers)


def render_report(experiments: Sequence[Experiment]) -> str:
    """The page: what several experiments are beside each other, and each of them."""
    sections = [experiment_section(experiment) for experiment in experiments]
    title = experiments[0].name
    if len(experiments) > 1:
        title = f'{len(experiments)} experiments'
        sections = [*several(experiments), *sections]
    return render_page(title, INTRODUCTION, sections, f'pairjax {__version__}')


def several(experiments: Sequence[Experiment]) -> list[Section]:
    """What there is to say of several experiments together."""
    arms, curves, notes = [], {}, []
    for name, workdir, _, _, summary, metrics, _ in experiments:
        selected = summary['selected_trial']
        if selected is None:
            notes.append(f'{name} has no selected trial, because every run failed.')
            continue
        arms.append(Arm(name, workdir, summary['trials'][selected], summary['data']))
        curves[name] = metrics[metrics.trial == selected]
    return comparison_sections(arms, curves, notes) if arms else []


def experiment_section(experiment: Experiment) -> Section:
    """Everything about one experiment."""
    config, summary, metrics = experiment.config, experiment.summary, experiment.metrics
    return Section(
        title=experiment.name,
        facts=facts(experiment),
        notes=notes(summary),
        parts=[
            *experiment_pictures(summary, metrics),
            trials_table(summary, metrics),
            seeds_table(summary['trials']),
            *config_tables(config),
        ],
        inner=[answers_section(experiment.answers, summary)],
        command=command(config),
        command_note=f'Made with {", ".join(f"{k} {v}" for k, v in experiment.versions.items())}.',
    )


def facts(experiment: Experiment) -> list[tuple[str, str]]:
    """What the experiment was and what it found: names and texts."""
    config, summary = flatten(experiment.config), experiment.summary
    trials, data, timing = summary['trials'], summary['data'], summary['timing']
    selected, accuracy = 'none, every run failed', '-'
    if summary['selected_trial'] is not None:
        selected = trial_names(trials)[summary['selected_trial']]
        accuracy = figure_text(trials[summary['selected_trial']][FINAL])
    seeds = range(config['seed'], config['seed'] + config['num_seeds'])
    parts = ('train', 'validation', 'test')
    return [
        ('selected trial', selected),
        ('its final test accuracy', accuracy),
        ('trials', str(len(trials))),
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


def notes(summary: Mapping[str, Any]) -> list[str]:
    """What a reader must know about the figures."""
    sentences = []
    for name, trial in zip(trial_names(summary['trials']), summary['trials'], strict=True):
        if trial['failed_seeds']:
            sentences.append(
                f'{name}: failed seeds, whose loss became not-a-number and which count in no '
                f'figure: {seed_list(trial["failed_seeds"])}.'
            )
        if trial.get('failure'):
            sentences.append(f'{name} was not trained: {trial["failure"]}.')
    if summary['data']['source'] == 'bundled':
        sentences.append(
            f'All seeds draw their test pairs from the same {summary["data"]["test_pool"]:,} '
            'images; the intervals do not include the chance of having got these.'
        )
    return sentences


def command(config: Mapping[str, Any]) -> str:
    """The command that trains this config, whatever config file it came from."""
    flags = [f'--config.{name}={value}' for name, value in changed_fields(config).items()]
    # This config file is default_config() as it is.
    words = ['--config=configs/auxnet2.py', *flags]
    return ' \\\n  '.join(['python launch/main.py', *map(quoted, words)])


def quoted(word: str) -> str:
    """A word for a shell; in double quotes where that spares quoting every single quote."""
    return f'"{word}"' if "'" in word and not set(word) & set('"$`\\!') else shlex.quote(word)
