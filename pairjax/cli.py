"""What the launch scripts share: flags in, one call, an exit code. Errors are one sentence."""

import functools
import io
import os
import shlex
import signal
import sys
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from pairjax.config import check_field_names, validate
from pairjax.errors import UserError
from pairjax.runtime import cluster
from pairjax.runtime.preemption import Interrupted
from pairjax.runtime.schedulers import launcher_command

# Flags that functions here define are the calling script's, and in its --help.
flags.disclaim_key_flags()

if TYPE_CHECKING:
    from pairjax.reporting.progress import ProgressDisplay


def run_main(main: Callable[..., None], positional: bool = False) -> None:
    """Parses the flags, calls main() and exits with 0, 1 after an error or 130 after a signal.

    A UserError is printed as one line. After a signal, the line names the command that resumes.

    Args:
      main: takes no arguments or, with `positional`, the list of positional arguments.
      positional: whether positional arguments are allowed.
    """

    def guarded(argv: Sequence[str]) -> int:
        try:
            cluster.run_together(lambda: main(argv[1:]) if positional else main())
        except UserError as error:
            print(f'error: {error}', file=sys.stderr)
            if getattr(error, 'unreachable', False):
                cluster.end_without_others(1)
            return 1
        except Interrupted as interruption:
            _print_resume_command(interruption)
            cluster.end_at_once(130)
        return 0

    # A name that the terminal cannot show must not end the program.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')
    # Ctrl-C ends the process at once and silently, until something runs that has work to save.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Orbax prints the traceback of a failed save beside our one sentence about it.
    logging.set_verbosity(logging.FATAL)
    sys.unraisablehook = functools.partial(_show_unless_of_closed_loop, sys.unraisablehook)
    app.run(guarded, flags_parser=functools.partial(parse_flags, positional=positional))


def _print_resume_command(interruption: Interrupted) -> None:
    """Prints, on the primary process, how far it got and the command that resumes."""
    from pairjax.runtime.multihost import is_primary

    if is_primary():
        # --overwrite would discard what was just saved.
        arguments = [arg for arg in sys.argv if _flag_name(arg) not in ('overwrite', 'nooverwrite')]
        command = shlex.join([*launcher_command(os.environ), sys.executable, *arguments])
        print(f'{interruption}; to resume: {command}', file=sys.stderr)


def start_jax(num_devices: int = 0) -> 'ProgressDisplay':
    """Configures jax and joins the experiment's other processes, if any.

    jax is imported here, and not before, so that a mistyped flag is reported at once.

    Args:
      num_devices: see `configure_jax`.

    Returns: a progress display, silent on all processes but the primary one.
    """
    import jax

    from pairjax.reporting.progress import ProgressDisplay, make_console
    from pairjax.runtime import multihost, vectorize
    from pairjax.runtime.accelerators import unused_accelerator

    vectorize.configure_jax(num_devices)
    cluster.connect()
    display = ProgressDisplay(make_console(quiet=not multihost.is_primary()))
    if notice := unused_accelerator(jax.default_backend()):
        display.on_message(notice)
    return display


def define_study_flags(workdir: str, document: str, quick: str | None = None) -> None:
    """Defines the flags that studies share, as flags of the calling script.

    Args:
      workdir: the default of --workdir.
      document: the name of the file that the study writes.
      quick: what --quick means; without it there is no such flag.
    """
    flags.DEFINE_string('data_source', 'bundled', 'bundled, idx, npz, parquet, folder or tfds')
    flags.DEFINE_string('data_dir', '', 'directory or file of the digits')
    flags.DEFINE_string('workdir', workdir, "where the experiments' workdirs go")
    flags.DEFINE_string('out', None, f'where {document} goes, docs by default')
    if quick:
        text = f'{quick}; all goes to WORKDIR/quick, the document too unless --out says where'
        flags.DEFINE_bool('quick', False, text)
    flags.adopt_module_key_flags(cluster)


def study_flags() -> tuple[dict[str, str], Path, Path, bool]:
    """What the flags of `define_study_flags` say.

    Returns: config fields by dotted name that say which digits; the directory of the experiments'
      workdirs; that of the document; whether to run in short.
    """
    values = flags.FLAGS
    quick = 'quick' in values and values.quick
    workdir = Path(values.workdir, 'quick') if quick else Path(values.workdir)
    out = Path(values.out or (workdir if quick else 'docs'))
    return {'data.source': values.data_source, 'data.dir': values.data_dir}, workdir, out, quick


def check_all_finished(names: Iterable[str], finished: Container[str]) -> None:
    """Raises UserError that names the experiments that did not finish."""
    missing = [name for name in names if name not in finished]
    if missing:
        raise UserError(
            f'{", ".join(missing)} did not finish, for the reasons above; the same command runs '
            'them again'
        )


def _show_unless_of_closed_loop(show: Callable[[Any], None], unraisable: Any) -> None:
    """Shows an exception, except the one that TensorStore's threads repeat on a full disk."""
    error = unraisable.exc_value
    if not (isinstance(error, RuntimeError) and str(error) == 'Event loop is closed'):
        show(unraisable)


def parse_flags(argv: Sequence[str], positional: bool = False) -> Sequence[str]:
    """Parses the command line; on a mistake, prints one line and exits with code 1.

    Returns: the name of the script and, with `positional`, the positional arguments.
    """
    try:
        _check_overrides(argv[1:])
        flags.FLAGS.set_gnu_getopt(positional)  # Flags may follow positional arguments.
        rest = flags.FLAGS(argv)
        if len(rest) > 1 and not positional:
            raise UserError(f'{rest[1]!r} is not a flag; flags start with --, --help lists them')
        return rest
    except Exception as error:  # A config file is code and may raise anything.
        text = _sentence(error)
        if not isinstance(error, flags.Error | UserError):
            config = next((arg for arg in argv if _flag_name(arg) == 'config'), '--config')
            text = f'{config} cannot be used ({type(error).__name__}: {text})'
        print(f'error: {text}', file=sys.stderr)
        sys.exit(1)


def _flag_name(arg: str) -> str | None:
    """The `name` of --name=value or --name; None for an argument that is not a flag."""
    return arg.lstrip('-').partition('=')[0] if arg.startswith('-') else None


def _check_overrides(args: Sequence[str]) -> None:
    """Checks field names before ml_collections does, whose error has no "did you mean"."""
    for arg in args:
        name = (_flag_name(arg) or '').removeprefix('no')
        if name.startswith('config.'):
            check_field_names([name.removeprefix('config.')], prefix='--config.')


def _sentence(error: BaseException) -> str:
    """The last line of an error: its text may hold a traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:1000] if lines else type(error).__name__


def config_from_flag(flag: Any) -> Any:
    """The validated config of --config.

    Raises: UserError where the flag is missing, or the file makes no config or an invalid one.
    """
    if flag.value is None:
        raise UserError(
            '--config is missing; name an experiment such as --config=configs/auxnet2.py'
        )
    if not isinstance(flag.value, Mapping | ConfigDict):
        path = config_flags.get_config_filename(flags.FLAGS[flag.name])
        if not Path(path.partition(':')[0]).is_file():
            raise UserError(f'--config={path} does not exist; the experiments are in configs/')
        raise UserError(f'--config={path}: get_config() must return default_config(), changed')
    return validate(flag.value)
