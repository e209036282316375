"""What the launch scripts share: flags in, one call, an exit code. Errors are sentences."""

import functools
import io
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from pairjax.config import check_field_names, validate
from pairjax.errors import UserError


def run_main(main: Callable[..., None], positional: bool = False) -> None:
    """Parses the flags and calls main(); a user's mistake becomes one line and exit code 1.

    Args:
      main: of no arguments; where positional, of the list of those that are no flags.
      positional: whether there may be arguments that are no flags.
    """

    def guarded(argv: Sequence[str]) -> int:
        try:
            main(argv[1:]) if positional else main()
        except UserError as error:
            print(f'error: {error}', file=sys.stderr)
            return 1
        return 0

    # A name that the terminal cannot show must not end what it stands in.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')
    # Ctrl-C ends the process at once and silently, until something runs that has work to save.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Orbax prints the traceback of a save that failed, beside the sentence that says so.
    logging.set_verbosity(logging.FATAL)
    sys.unraisablehook = functools.partial(_show_unless_of_closed_loop, sys.unraisablehook)
    app.run(guarded, flags_parser=functools.partial(parse_flags, positional=positional))


def _show_unless_of_closed_loop(show: Callable[[Any], None], unraisable: Any) -> None:
    """Shows an exception, but for what TensorStore's threads say on and on of a full disk."""
    error = unraisable.exc_value
    if not (isinstance(error, RuntimeError) and str(error) == 'Event loop is closed'):
        show(unraisable)


def parse_flags(argv: Sequence[str], positional: bool = False) -> Sequence[str]:
    """Parses the command line; exits with code 1 and one line where it is wrong.

    Returns: the name of the script and, where they are allowed, the arguments that are no flags.
    """
    path = _config_path(argv[1:])
    try:
        _check_overrides(argv[1:])
        if path is not None and not os.path.isfile(path.partition(':')[0]):
            raise UserError(f'--config={path} does not exist; the experiments stand in configs/')
        flags.FLAGS.set_gnu_getopt(positional)  # Flags may follow what is no flag.
        rest = flags.FLAGS(argv)
        if len(rest) > 1 and not positional:
            raise UserError(f'{rest[1]!r} is not a flag; flags start with --, --help lists them')
        return rest
    except (flags.Error, UserError) as error:
        print(f'error: {_sentence(error)}', file=sys.stderr)
        sys.exit(1)
    except Exception as error:  # Whatever the config file, which is code, may raise.
        what = f'{type(error).__name__}: {_sentence(error)}'
        print(f'error: --config={path} cannot be used ({what})', file=sys.stderr)
        sys.exit(1)


def _config_path(args: Sequence[str]) -> str | None:
    for arg, following in zip(args, [*args[1:], None], strict=False):
        name, equals, value = arg.lstrip('-').partition('=')
        if arg.startswith('-') and name == 'config':
            return value if equals else following
    return None


def _check_overrides(args: Sequence[str]) -> None:
    """Names of fields are checked here, where "did you mean" can still be said."""
    for arg in args:
        name = arg.lstrip('-').partition('=')[0].removeprefix('no')
        if arg.startswith('-') and name.startswith('config.'):
            check_field_names([name.removeprefix('config.')], prefix='--config.')


def _sentence(error: BaseException) -> str:
    """What is left of an error when the traceback in its text is cut off."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:1000] if lines else type(error).__name__


def config_from_flag(flag: Any) -> Any:
    """The value of --config; a missing or broken config file becomes a UserError."""
    if flag.value is None:
        raise UserError(
            '--config is missing; name an experiment such as --config=configs/auxnet2.py'
        )
    if not isinstance(flag.value, Mapping | ConfigDict):
        path = config_flags.get_config_filename(flags.FLAGS[flag.name])
        raise UserError(f'--config={path}: get_config() must return default_config(), changed')
    return validate(flag.value)
