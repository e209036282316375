"""The epoch that each program resumes after, from made-up workdirs."""

import itertools
import json
from types import SimpleNamespace

import pytest
from metrics_lines import line

from pairjax.errors import UserError
from pairjax.runtime.resume import resume_epochs
from pairjax.workdir import metrics_log
from pairjax.workdir.metrics_log import Metrics
from pairjax.workdir.workdir import checkpoint_directory, saved_epoch


def make_plan(*programs, seeds=(0,)):
    """A plan of programs, each a list of indices of its trials."""
    programs = [[SimpleNamespace(index=index) for index in program] for program in programs]
    return SimpleNamespace(
        trials=list(itertools.chain(*programs)),
        programs=programs,
        program_of={t.index: n for n, trials in enumerate(programs) for t in trials},
        runs=lambda number: list(itertools.product(programs[number], seeds)),
    )


def make_checkpoints(workdir, *epochs):
    """An empty checkpoint per program of the epochs given; None for none."""
    for number, epoch in enumerate(epochs):
        if epoch is not None:
            (checkpoint_directory(workdir, number) / str(epoch)).mkdir(parents=True)


@pytest.mark.parametrize('whole', [2, 0])
def test_no_line_is_glued_to_the_half_line_of_an_interruption(tmp_path, whole):
    """The process died while it appended; a resumed one appends the same lines again."""
    metrics, plan = Metrics(tmp_path), make_plan([0], seeds=(0, 1))
    lines = [line(epoch, seed=seed) for epoch in (1, 2, 3) for seed in (0, 1)]
    if whole:
        metrics.append(lines[: 2 * whole])
        make_checkpoints(tmp_path, whole)
    with metrics.path.open('a') as file:
        file.write(json.dumps(lines[2 * whole])[:20])
    assert resume_epochs(plan, tmp_path, metrics) == [whole]
    metrics.append(lines[2 * whole :])
    assert metrics.read() == lines


def test_lines_past_the_checkpoint_are_dropped(tmp_path):
    metrics, plan = Metrics(tmp_path), make_plan([0], [1, 2], [3])
    metrics.append([line(epoch, trial) for epoch in (1, 2, 3) for trial in range(4)])
    make_checkpoints(tmp_path, 3, 2, None)
    assert resume_epochs(plan, tmp_path, metrics) == [3, 2, 0]
    kept = [(found['trial'], found['epoch']) for found in metrics.read()]
    assert kept == [(0, 1), (1, 1), (2, 1), (0, 2), (1, 2), (2, 2), (0, 3)]


def test_a_checkpoint_whose_lines_are_missing_is_deleted(tmp_path):
    metrics, plan = Metrics(tmp_path), make_plan([0], [1])
    lines = [line(epoch, trial) for epoch in (1, 2) for trial in (0, 1)]
    metrics.append([lines[0], *lines[2:]])
    make_checkpoints(tmp_path, 2, 2)
    assert resume_epochs(plan, tmp_path, metrics) == [2, 0]
    assert metrics.read() == [lines[0], lines[2]]
    assert saved_epoch(checkpoint_directory(tmp_path, 0)) == 2
    assert saved_epoch(checkpoint_directory(tmp_path, 1)) is None


def test_however_many_programs_there_are_the_lines_are_read_once(tmp_path, monkeypatch):
    metrics, plan = Metrics(tmp_path), make_plan(*([index] for index in range(20)))
    metrics.append([line(1, trial) for trial in range(20)])
    make_checkpoints(tmp_path, *[1] * 20)
    parsed, parse = [], metrics_log.parse_json
    monkeypatch.setattr(metrics_log, 'parse_json', lambda text: parsed.append(text) or parse(text))
    assert resume_epochs(plan, tmp_path, metrics) == [1] * 20
    assert len(parsed) == 20


def test_a_line_of_an_unknown_trial_is_named(tmp_path):
    metrics = Metrics(tmp_path)
    metrics.append([line(1, trial=7)])
    with pytest.raises(UserError, match=r'line 1 is of trial 7, but the experiment has 1 trials'):
        resume_epochs(make_plan([0]), tmp_path, metrics)
