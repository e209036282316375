"""A fork server: processes of one experiment start in a moment, with pairjax loaded.

Reads one case a line, JSON: `scenario`, `folder`, `count` of processes, and `fault`, null or the
process, the tag of the exchange and what happens there. Answers with a line of JSON: for each
process its exit code, output, errors, tags and seconds since the fault.
"""

import atexit
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import time
import traceback
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[2]
CONFIG = 'tests/cluster/small_config.py'
DEADLINE_SECONDS = 300


def watch_exchanges(process, folder, fault):
    """Notes each exchange's tag in a file, and lets the fault happen at its tag."""
    from pairjax.errors import UserError
    from pairjax.runtime import multihost

    gather, seen = multihost._gather, []
    (folder / f'tags-{process}').write_text('')

    def watched(tag, action, sent):
        first = tag not in seen
        seen.append(tag)
        with (folder / f'tags-{process}').open('a') as file:
            file.write(f'{tag}\n')
        if first and fault and fault['process'] == process and fault['tag'] == tag:
            (folder / 'fault').write_text(str(time.time()))
            if fault['kind'] == 'killed':
                os.kill(os.getpid(), signal.SIGKILL)
            if fault['kind'] == 'before':
                raise RuntimeError('injected fault')

            def failing():
                raise UserError('injected fault')

            action = failing
        return gather(tag, action, sent)

    multihost._gather = watched


def train(folder, *flags, head='learned'):
    sys.argv = ['launch/main.py', f'--config={CONFIG}:{head}', f'--workdir={folder / "run"}']
    sys.argv += [f'--config.data.dir={folder.parent / "digits.npz"}', *flags]
    runpy.run_path('launch/main.py', run_name='__main__')


def train_failing(folder, *flags):
    """Every epoch of every process fails."""
    from pairjax.runtime import vectorize

    compiled = vectorize.compile_programs

    def fail(*_):
        raise RuntimeError('no luck')

    from pairjax.runtime import trainer

    trainer.compile_programs = lambda *args: compiled(*args)._replace(train_epoch=fail)
    train(folder, *flags)


# What prints and draws, by module.
SHOWN = {
    'reporting.comparison': ['show_comparison'],
    'reporting.plots.sequential': ['draw_sequence'],
    'reporting.plots.curves': ['save_figure'],
    'analysis.arms': ['check_measure'],
    'analysis.noise': ['noise_floor'],
    'reporting.noise': ['draw_noise', 'show_noise'],
}


def studies(folder, *flags):
    """What the studies exchange, without their training."""
    import numpy as np
    import pandas as pd

    from pairjax import cli
    from pairjax.analysis import results
    from pairjax.runtime import experiment, sharding, until_resolved
    from pairjax.runtime.many_experiments import run_experiments
    from pairjax.studies.factorial import document as study_document
    from pairjax.studies.factorial import running as study_running
    from pairjax.studies.pairnet import augmentation_examples as examples
    from pairjax.studies.pairnet import document as pairnet_document
    from pairjax.studies.reproduction import document, running

    sys.path.insert(0, 'tests/cluster')
    import small_config

    config = small_config.get_config()
    config.data.dir = str(folder.parent / 'digits.npz')
    workdirs = {'small': folder}

    def trained(*_, **__):
        return {}

    def main():
        cli.start_jax(2)
        layout = sharding.choose_layout(2, config.runs, 10)
        sharding.unstack_runs(sharding.stack_runs([np.int32(0), np.int32(1)], layout), layout)
        run_experiments([('small', config)], folder, trained)
        running.reproduce({'small': config}, folder, run=trained)
        design = runpy.run_path('configs/study.py')['QUICK']
        study_running.run_study(design._replace(networks=()), folder, run=trained)
        cli.start_jax = lambda *_: cli_display
        study_running.run_study = running.reproduce = trained
        for module in (study_document, document, pairnet_document):
            for name in ('write_study', 'write_reproduction', 'write_pairnet'):
                if hasattr(module, name):
                    setattr(module, name, lambda *_: folder)
        cli.check_all_finished = lambda *_: None
        examples.distorted_examples = examples.one_of_each_class = lambda *_: None
        from pairjax.runtime import many_experiments

        many_experiments.run_experiments = lambda *_, **__: workdirs
        experiment.run_experiment = until_resolved.run_experiment = trained
        until_resolved.compare_workdirs = lambda *_: compared
        for module, names in SHOWN.items():
            for name in names:
                setattr(importlib.import_module(f'pairjax.{module}'), name, trained)
        values = pd.Series(range(10))
        trial = SimpleNamespace(values=lambda _: values)
        results.read_experiment = lambda _: SimpleNamespace(name='', selected_trial=trial)
        arms = f'--until_resolved={CONFIG},{CONFIG}'
        for name, *words in (
            *(['study'], ['reproduce'], ['pairnet'], ['main', arms]),
            ['noise', f'--config={CONFIG}'],
        ):
            call_script(name, words)

    pair = SimpleNamespace(a='', b='', verdict='', differences=())
    compared = SimpleNamespace(seeds=(), pairs=[pair])

    class cli_display:
        on_message = staticmethod(lambda text: None)
        console = None

    def call_script(name, words):
        from absl import flags

        before = set(flags.FLAGS)
        module = runpy.run_path(f'launch/{name}.py')
        sys.argv = [f'launch/{name}.py', *words]
        flags.FLAGS(sys.argv)
        module['main']()
        # Each script defines its own; one without --quick finds that of the script before.
        for flag in set(flags.FLAGS) - before - {'quick'}:
            delattr(flags.FLAGS, flag)
        if name == 'study':
            delattr(flags.FLAGS, 'quick')

    sys.argv = ['studies', *flags]
    cli.run_main(main)


SCENARIOS = {
    'train': train,
    'in parts': lambda folder, *flags: train(
        folder, '--config.sweep.part=1/1', *flags, head='argmax'
    ),
    'failing': train_failing,
    'more seeds': lambda folder, *flags: train(folder, '--config.num_seeds=4', *flags),
    'studies': studies,
}
SCENARIOS['resume'] = SCENARIOS['finished'] = train


def live(scenario, folder, fault, process, count, port):
    """A process of the experiment, from its start to its end; does not return."""
    code = 1
    try:
        for number, stream in ((1, 'out'), (2, 'err')):
            os.dup2(os.open(folder / f'{stream}-{process}', os.O_CREAT | os.O_WRONLY), number)
        flags = []
        if count > 1:
            flags = [f'--coordinator=localhost:{port}', f'--num_processes={count}']
            flags += [f'--process_id={process}']
            watch_exchanges(process, folder, fault)
        SCENARIOS[scenario](folder, *flags)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def free_port():
    with socket.socket() as listener:
        listener.bind(('localhost', 0))
        return listener.getsockname()[1]


def run_case(case):
    folder, port, pids = Path(case['folder']), free_port(), []
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'fault').unlink(missing_ok=True)
    for process in range(case['count']):
        pids.append(os.fork())
        if pids[-1] == 0:
            live(case['scenario'], folder, case['fault'], process, case['count'], port)
    left, ended, deadline = dict(enumerate(pids)), {}, time.time() + DEADLINE_SECONDS
    while left:
        for process, pid in list(left.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                ended[process] = os.waitstatus_to_exitcode(status), time.time()
                del left[process]
            elif time.time() > deadline:
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    hit = float((folder / 'fault').read_text()) if (folder / 'fault').exists() else None
    return [
        {
            'code': ended[process][0],
            'out': (folder / f'out-{process}').read_text(),
            'err': (folder / f'err-{process}').read_text(),
            'seconds': hit and ended[process][1] - hit,
            'tags': (folder / f'tags-{process}').read_text().splitlines()
            if case['count'] > 1
            else [],
        }
        for process in range(case['count'])
    ]


if __name__ == '__main__':
    os.chdir(ROOT)
    # All that takes time to load and starts no thread.
    import pairjax.analysis.results
    import pairjax.reporting.console
    import pairjax.runtime.parts
    import pairjax.runtime.profiling  # noqa: F401

    for line in sys.stdin:
        print(json.dumps(run_case(json.loads(line))), flush=True)
