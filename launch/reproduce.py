"""Runs both reports again and compares: python launch/reproduce.py [--report=1|2|all] [--quick]"""

from pathlib import Path

from absl import flags

from pairjax.cli import check_all_finished, define_study_flags, run_main, start_jax, study_flags

define_study_flags('runs/reproduction', 'reproduction.md', quick='minutes, to see it work')
REPORT = flags.DEFINE_enum('report', 'all', ['1', '2', 'all'], 'which report')
NUM_SEEDS = flags.DEFINE_integer(
    'num_seeds', None, "of every trial; the configs' by default, 2 with --quick", lower_bound=1
)


def main() -> None:
    # jax is imported only now, so that a mistyped flag is reported at once.
    from pairjax.runtime.multihost import on_primary
    from pairjax.studies.reproduction import running
    from pairjax.studies.reproduction.document import write_reproduction

    settings, workdir, out, quick = study_flags()
    reports = (1, 2) if REPORT.value == 'all' else (int(REPORT.value),)
    num_seeds = NUM_SEEDS.value or (running.QUICK_SEEDS if quick else None)
    if num_seeds is not None:
        settings['num_seeds'] = num_seeds
    display = start_jax()
    configs = running.load_configs(Path(__file__).parents[1] / 'configs', reports, settings)
    workdirs = running.reproduce(configs, workdir, quick, callbacks=[display])
    display.on_message('computing and drawing what the document says')
    document = on_primary(
        'write the reproduction',
        lambda: str(write_reproduction(reports, workdirs, workdir, out, quick)),
    )
    display.on_message(f'what was recorded and what came out: {document}')
    check_all_finished(configs, workdirs)


if __name__ == '__main__':
    run_main(main)
