"""Runs both reports again and compares: python launch/reproduce.py [--report=1|2|all] [--quick]"""

from pathlib import Path

from absl import flags

from pairjax.cli import check_all_finished, run_main, start_jax
from pairjax.runtime import cluster

REPORT = flags.DEFINE_enum('report', 'all', ['1', '2', 'all'], 'which report')
QUICK = flags.DEFINE_bool('quick', False, 'three minutes, to see that everything works')
NUM_SEEDS = flags.DEFINE_integer(
    'num_seeds',
    None,
    "seeds of every trial; the configs' by default, 2 with --quick",
    lower_bound=1,
)
DATA_SOURCE = flags.DEFINE_string('data_source', 'bundled', 'bundled, idx, npz or tfds')
DATA_DIR = flags.DEFINE_string('data_dir', '', 'directory or file of the digits')
WORKDIR = flags.DEFINE_string(
    'workdir', 'runs/reproduction', "where the experiments' workdirs go; with --quick in quick/"
)
OUT = flags.DEFINE_string(
    'out', None, 'where reproduction.md goes; docs, with --quick WORKDIR/quick'
)
flags.adopt_module_key_flags(cluster)


def main() -> None:
    # jax is imported only now, so that a mistyped flag is reported at once.
    from pairjax.runtime.multihost import on_primary
    from pairjax.studies.reproduction import running
    from pairjax.studies.reproduction.document import write_reproduction

    reports = (1, 2) if REPORT.value == 'all' else (int(REPORT.value),)
    settings = {'data.source': DATA_SOURCE.value, 'data.dir': DATA_DIR.value}
    num_seeds = NUM_SEEDS.value or (running.QUICK_SEEDS if QUICK.value else None)
    if num_seeds is not None:
        settings['num_seeds'] = num_seeds
    workdir = Path(WORKDIR.value) / 'quick' if QUICK.value else Path(WORKDIR.value)
    out = Path(OUT.value or (workdir if QUICK.value else 'docs'))
    display = start_jax()
    configs = running.load_configs(Path(__file__).parents[1] / 'configs', reports, settings)
    workdirs = running.reproduce(configs, workdir, QUICK.value, callbacks=[display])
    document = on_primary(lambda: write_reproduction(reports, workdirs, workdir, out, QUICK.value))
    display.on_message(f'what was recorded and what came out: {document}')
    check_all_finished(configs, workdirs)


if __name__ == '__main__':
    run_main(main)
