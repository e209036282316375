"""A training that is killed again and again ends with the results of one that was left alone.

PAIRJAX_KILLS says how often, 3 by default; `make stress` kills 20 times.
"""

import collections
import itertools
import os
import random
import re
import shlex
import signal
import time

from processes import assert_same_outcome

NUM_KILLS = int(os.environ.get('PAIRJAX_KILLS', '3'))


# -------------------------------------------------- moments: has this one come, as files tell it


def count_lines(workdir):
    path = workdir / 'metrics.jsonl'
    return path.read_bytes().count(b'\n') if path.exists() else 0


def programs_begun(workdir):
    return len(list(workdir.glob('checkpoints/*')))


def half_saved(workdir):
    """The temporary directories of Orbax, told apart from those of an earlier process."""
    found = set()
    for path in workdir.glob('checkpoints/*/*orbax-checkpoint-tmp*'):
        try:
            found.add((path, path.stat().st_ctime_ns))
        except FileNotFoundError:  # renamed since
            continue
    return found


def saving(workdir, rng):
    """A checkpoint is being written."""
    before = half_saved(workdir)
    return lambda: half_saved(workdir) - before


def between_programs(workdir, rng):
    """A program has ended and the next one begins."""
    before = programs_begun(workdir)
    return lambda: programs_begun(workdir) > max(before, 1)


def training(workdir, rng):
    """Some epochs have passed."""
    target = count_lines(workdir) + rng.randint(1, 30)
    return lambda: count_lines(workdir) >= target


def starting(workdir, rng):
    """Anything between the start of Python and the first epochs."""
    at = time.monotonic() + rng.uniform(0.1, 5)
    return lambda: time.monotonic() >= at


def concluding(workdir, rng):
    """summary.json is there, or half of it, and pictures are being drawn."""
    before = {path.name for path in workdir.glob('*')}
    return lambda: {path.name for path in workdir.glob('summary*')} - before


# Between kills that nothing can be done about, what schedulers send before those.
SIGNALS = (
    *(signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1),
    *(signal.SIGKILL, signal.SIGHUP, signal.SIGKILL),
)
MOMENTS = (saving, between_programs, training, starting, saving, training, concluding)


def has_come(moment, process):
    """Waits for the moment; whether the process was there to see it."""
    while not moment():
        if process.poll() is not None:
            return False
        time.sleep(0.0005)
    return True


def train_with_kills(launcher, workdir, moments, signals, rng):
    """Trains to the end, killed at each of the moments that it meets.

    Takes the next of the signals for each kill.

    Yields: per kill the name of the moment, whether a checkpoint was half written, and the signal.
    """
    for moment in moments:
        number, process = signals[0], launcher.start(workdir)
        if has_come(moment(workdir, rng), process):
            time.sleep(rng.choice([0, rng.uniform(0, 0.02)]))
            process.send_signal(number)
        _, err = process.communicate()
        if process.returncode == 0:  # It ended before.
            return
        # Before and after training there is nothing to save.
        if process.returncode != -number:
            assert number != signal.SIGKILL and process.returncode == 130, err
            assert 'stopped' in err and 'to resume: ' in err
        half = bool(list(workdir.glob('checkpoints/*/*orbax-checkpoint-tmp*')))
        signals.rotate(-1)
        yield moment.__name__, half, signal.Signals(number).name
    launcher.finish(workdir)


def test_killed_at_any_moment_it_goes_on_to_the_same_outcome(launcher, left_alone, tmp_path):
    rng = random.Random(0)
    kills, signals = [], collections.deque(SIGNALS)
    moments = iter(itertools.islice(itertools.cycle(MOMENTS), NUM_KILLS))
    while len(kills) < NUM_KILLS:
        workdir = tmp_path / f'after {len(kills)} kills'
        kills += train_with_kills(launcher, workdir, moments, signals, rng)
        assert_same_outcome(workdir, left_alone[1])
        # Where a training ended before its moment, another moment is drawn.
        moments = iter(rng.choices(MOMENTS, k=NUM_KILLS - len(kills)))
    print(f'{len(kills)} kills (moment, half a checkpoint left, signal):', *kills, sep='\n')
    assert {name for name, _, _ in kills} >= {moment.__name__ for moment in MOMENTS[:NUM_KILLS][:3]}
    if NUM_KILLS >= 20:
        assert {name for _, _, name in kills} == {number.name for number in SIGNALS}
    assert any(half for name, half, _ in kills if name == 'saving')


def test_asked_to_stop_it_saves_and_says_how_to_go_on(launcher, left_alone, tmp_path):
    rng = random.Random(0)
    asked = {
        signal.SIGTERM: between_programs,
        signal.SIGINT: training,
        signal.SIGUSR1: training,
    }
    for number, moment in asked.items():
        process = launcher.start(tmp_path)
        assert has_come(moment(tmp_path, rng), process)
        process.send_signal(number)
        _, err = process.communicate(timeout=900)
        assert process.returncode == 130, err
        first, second = err.splitlines()
        assert first == 'stopping after this epoch; once more stops at once'
        place = r'epoch \d+ of program \d'
        words = rf'stopped and saved after {place}( and {place})? of 4; to resume: '
        assert re.match(words, second)
        command = shlex.split(second.partition('to resume: ')[2])
        assert command[1:] == process.args[1:]
    out, _ = launcher.finish(tmp_path)
    assert 'resuming after epoch' in out
    assert_same_outcome(tmp_path, left_alone[1])
