"""Measures what sharing and the auxiliary loss are worth: python launch/study.py [--quick]"""

import runpy
from pathlib import Path

from absl import flags

from pairjax.cli import check_all_finished, run_main, start_jax
from pairjax.runtime import cluster

QUICK = flags.DEFINE_bool('quick', False, 'minutes instead of an hour, to see that it works')
DATA_SOURCE = flags.DEFINE_string('data_source', 'bundled', 'bundled, idx, npz or tfds')
DATA_DIR = flags.DEFINE_string('data_dir', '', 'directory or file of the digits')
WORKDIR = flags.DEFINE_string('workdir', 'runs/study', "where the parts' workdirs go")
OUT = flags.DEFINE_string('out', None, 'where study.md goes; docs, with --quick WORKDIR/quick')
flags.adopt_module_key_flags(cluster)


def main() -> None:
    # jax is imported only now, so that a mistyped flag is reported at once.
    from pairjax.runtime.multihost import on_primary
    from pairjax.studies.factorial.document import write_study
    from pairjax.studies.factorial.parts import part_names
    from pairjax.studies.factorial.running import run_study

    config_file = Path(__file__).parents[1] / 'configs' / 'study.py'
    design = runpy.run_path(str(config_file))['QUICK' if QUICK.value else 'DESIGN']
    data = (('data.source', DATA_SOURCE.value), ('data.dir', DATA_DIR.value))
    design = design._replace(settings=(*design.settings, *data))
    workdir = Path(WORKDIR.value) / 'quick' if QUICK.value else Path(WORKDIR.value)
    display = start_jax()
    workdirs = run_study(design, workdir, callbacks=[display])
    out = Path(OUT.value or (workdir if QUICK.value else 'docs'))
    document = on_primary(lambda: write_study(design, workdirs, out, QUICK.value))
    display.on_message(f'what the study says: {document}')
    check_all_finished(part_names(design), workdirs)


if __name__ == '__main__':
    run_main(main)
