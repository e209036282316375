"""Experiments made by hand, for the tests of what is said about them."""

import dataclasses
import json
from pathlib import Path

import pandas as pd

from pairjax.analysis.results import ExperimentResult, MetricsFrame, TrialResult
from pairjax.analysis.summary import summarize, summarize_trial
from pairjax.config import default_config, flatten, validate
from pairjax.studies.reproduction.results import MAJORITY_FILE, Reproduction
from pairjax.system import write_json
from pairjax.trials import Trial as ConfigTrial
from pairjax.trials import trial_names
from pairjax.workdir.metrics_log import Metrics
from pairjax.workdir.workdir import read_json

DATA = {'source': 'idx', 'train_pool': 60_000, 'test_pool': 10_000, 'num_classes': 10}
DATA['fingerprint'] = 'f00d'
TIMING = {'train_seconds': 2.0, 'compile_seconds': 1.0, 'seconds_per_run': 0.5, 'devices': 2}
VERSIONS = dict.fromkeys(('pairjax', 'python', 'jax', 'flax'), '1.2.3')
HYPERPARAMETERS = ConfigTrial(0, validate(default_config())).hyperparameters


def lines_of(finals, bests=None, train=(0.5, 0.6, 0.7), seconds=0.5, digits=True):
    """Three epochs of each seed: the best test accuracy in the second, the final in the third.

    finals: test accuracy by seed, None for a seed that failed. bests: 0.01 above by default.
    train: train accuracy of each epoch, or a list of that by seed.
    """
    bests = bests or [None if final is None else final + 0.01 for final in finals]
    trains = train if isinstance(train, list) else [train] * len(finals)
    lines = []
    for seed, (final, best) in enumerate(zip(finals, bests, strict=True)):
        for epoch, test in enumerate((0.3, best, final), 1):
            failed = final is None
            line = {'seed': seed, 'epoch': epoch, 'train_loss': None if failed else 1 / epoch}
            accuracy = None if failed else test
            line |= {'validation_accuracy': accuracy, 'test_accuracy': accuracy}
            line['train_accuracy'] = None if failed else trains[seed][epoch - 1]
            line['test_digit_accuracy'] = accuracy if digits else None
            lines.append(line | {'train_seconds': seconds, 'compile_seconds': 0.25})
    return lines


def make_trial(finals, bests=None, fields=None, num_params=1000, **lines):
    """One trial from its final and best test accuracies; `fields` by dotted name."""
    metrics = pd.DataFrame.from_records(lines_of(finals, bests, **lines))
    hyperparameters = {**HYPERPARAMETERS, **(fields or {})}
    summary = {'hyperparameters': hyperparameters, 'num_params': num_params}
    trial = TrialResult(0, 'made', summary | summarize_trial(metrics), MetricsFrame(Path('made')))
    return with_metrics(trial, metrics)


def with_metrics(trial, metrics):
    """The trial with other lines of metrics.jsonl."""
    log = MetricsFrame(trial.log.workdir)
    vars(log)['frame'] = metrics.assign(trial=trial.index)  # As if it had been read.
    return dataclasses.replace(trial, log=log)


def make_experiment(name, trials, data=DATA, selected=0):
    names = trial_names([trial.summary for trial in trials])
    named = [
        with_metrics(dataclasses.replace(trial, index=index, name=names[index]), trial.metrics)
        for index, trial in enumerate(trials)
    ]
    summary = {'name': name, 'data': data, 'timing': TIMING, 'selected_trial': selected}
    return ExperimentResult(Path('made') / name, summary, {}, VERSIONS, named)


def make_results(trials, majority=0.55):
    """Results from {name: trials}; the majority class has that share of ten seeds' test pairs."""
    experiments = {name: make_experiment(name, mine) for name, mine in trials.items()}
    return Reproduction(experiments, pd.Series([majority] * 10))


def save_experiment(workdir, trials, data=DATA):
    """The same on disk, as an experiment leaves it."""
    workdir.mkdir(parents=True, exist_ok=True)
    lines = [
        {**json.loads(line), 'trial': index}
        for index, trial in enumerate(trials)
        for line in trial.metrics.to_json(orient='records', lines=True).splitlines()
    ]
    (workdir / 'metrics.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))
    rows = [
        {'hyperparameters': t.hyperparameters, 'num_params': t.num_params, 'failure': None}
        for t in trials
    ]
    summary = {'name': workdir.name, 'data': data, **summarize(lines, rows)}
    summary['timing']['devices'] = 2
    write_json(workdir / 'summary.json', summary)
    config = default_config().to_dict()
    write_json(workdir / 'config.json', {'config': config, 'data': data, 'versions': VERSIONS})


def save_majority(root, share=0.55):
    write_json(root / MAJORITY_FILE, {str(seed): share for seed in range(10)})


def base_fields(config):
    """A config's fields without those that name an experiment or say what it varies."""
    own = ('name', 'num_seeds', 'sweep.', 'model.widths')
    return {k: v for k, v in flatten(config).items() if not k.startswith(own)}


def save_seeds(workdir, finals, first=0, data=DATA, trials=1, **fields):
    """An experiment whose seeds begin at `first`."""
    save_experiment(workdir, [make_trial(finals, fields=fields)] * trials, data)
    metrics, summary = Metrics(workdir), read_json(workdir / 'summary.json')
    metrics.replace([{**line, 'seed': line['seed'] + first} for line in metrics.read()])
    for trial in summary['trials']:
        for name in ('seeds', 'failed_seeds'):
            trial[name] = [seed + first for seed in trial[name]]
    write_json(workdir / 'summary.json', summary)
    return workdir
