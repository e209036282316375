"""Measures what sharing and the auxiliary loss are worth: python launch/study.py [--quick]"""

import runpy
from pathlib import Path

from pairjax.cli import check_all_finished, define_study_flags, run_main, start_jax, study_flags

define_study_flags('runs/study', 'study.md', quick='minutes instead of 1.5 hours, to see it work')


def main() -> None:
    # jax is imported only now, so that a mistyped flag is reported at once.
    from pairjax.runtime.multihost import on_primary
    from pairjax.studies.factorial.document import write_study
    from pairjax.studies.factorial.parts import part_names
    from pairjax.studies.factorial.running import run_study

    settings, workdir, out, quick = study_flags()
    config_file = Path(__file__).parents[1] / 'configs' / 'study.py'
    design = runpy.run_path(str(config_file))['QUICK' if quick else 'DESIGN']
    design = design._replace(settings=(*design.settings, *settings.items()))
    display = start_jax()
    workdirs = run_study(design, workdir, callbacks=[display])
    display.on_message('computing and drawing what the document says')
    document = on_primary('write the study', lambda: str(write_study(design, workdirs, out, quick)))
    display.on_message(f'what the study says: {document}')
    check_all_finished(part_names(design), workdirs)


if __name__ == '__main__':
    run_main(main)
