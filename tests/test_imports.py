"""The rules of the whole tree, read from its source: who imports whom, and how long things are."""

import ast
import graphlib
import subprocess
import sys
from collections import defaultdict

import pytest
from draw_architecture import (
    BASE,
    INTERFACES,
    PICTURE,
    ROOT,
    draw,
    module_files,
    package_arrows,
    package_of,
    read_imports,
)

# What a package may import of pairjax, besides itself, BASE and INTERFACES.
MAY_IMPORT = {
    'config': (),
    'errors': (),
    'system': (),
    'trials': (),
    'ops': (),
    'data': (),
    'models': ('ops', 'data.pairs'),
    'training': ('models', 'ops', 'data'),
    'workdir': (),
    'analysis': ('workdir',),
    'runtime': ('training', 'models', 'ops', 'data', 'workdir', 'analysis'),
    'reporting': ('analysis', 'workdir'),
    'inference': (
        *('reporting', 'analysis', 'workdir'),
        *('runtime', 'training', 'models', 'ops', 'data'),
    ),
}
MAY_IMPORT['studies'] = ('inference', *MAY_IMPORT['inference'])
# `pairjax` itself is the public API, and configs/ may take what the studies share.
MAY_IMPORT['api'] = ('studies', *MAY_IMPORT['studies'])
MAY_IMPORT['launch'] = MAY_IMPORT['pairjax'] = ('api', *MAY_IMPORT['api'])
MAY_IMPORT['configs'] = ('studies', 'configs')

JAX = {'jax', 'jaxlib', 'flax', 'optax', 'orbax'}
# Nothing here may reach JAX, not even inside a function.
NEVER_JAX = ('pairjax.analysis', 'pairjax.reporting')
# Loading these must not load JAX: commands answer mistakes at once, and processes that read
# images or train PyTorch networks start quickly.
NO_JAX_AT_LOAD = (
    *('launch', 'configs', 'pairjax.cli', *(f'pairjax.{name}' for name in BASE)),
    *('pairjax.data.sources', 'pairjax.data.encoded', 'pairjax.workdir.workdir'),
    *('pairjax.workdir.lock', 'pairjax.workdir.schema', 'pairjax.workdir.status'),
    *('pairjax.inference.image_preprocessing', 'pairjax.inference.image_workers'),
    'pairjax.inference.image_files',
    'pairjax.studies.benchmark.torch_peers',
    'pairjax.studies.factorial.document',
    'pairjax.studies.reproduction.document',
)
RENDERERS = {'rich', 'matplotlib'}

MOST_MODULES, MOST_PACKAGES, MOST_FILE_LINES, MOST_FUNCTION_LINES = 8, 11, 300, 60


class Tree:
    """The source below a directory: paths, syntax trees and imports by module."""

    def __init__(self, root):
        self.root, self.files, self.imports = root, module_files(root), read_imports(root)
        self.parsed = {name: ast.parse(path.read_text()) for name, path in self.files.items()}
        self.packages = sorted(
            path.parent.name for path in (root / 'pairjax').glob('*/__init__.py')
        )

    def is_own(self, module):
        return module in self.files or module.split('.')[0] in ('pairjax', 'launch', 'configs')

    def paths_to_jax(self, starts, kinds):
        """For each module that begins with one of `starts` and reaches JAX: one path to it."""
        graph = defaultdict(set)
        for one in self.imports:
            if one.when in kinds:
                parts = one.imported.split('.')
                # Loading a module loads the packages around it.
                graph[one.importer] |= {'.'.join(parts[: n + 1]) for n in range(len(parts))}
        for name in self.files:
            if is_below(name, starts):
                path = path_to_jax(graph, name)
                if path:
                    yield f'{name}: {" -> ".join(path)}'


def is_below(module, packages):
    return any(module == name or module.startswith(f'{name}.') for name in packages)


def path_to_jax(graph, start):
    paths = {start: [start]}
    queue = [start]
    for module in queue:
        if module in JAX:
            return paths[module]
        for imported in sorted(graph[module] - paths.keys()):
            paths[imported] = [*paths[module], imported]
            queue.append(imported)
    return None


def imports_run_one_way(tree):
    for one in tree.imports:
        importer, imported = package_of(one.importer), package_of(one.imported)
        allowed = (*MAY_IMPORT.get(importer, ()), importer, *BASE)
        names = {imported, one.imported, one.imported.removeprefix('pairjax.')}
        if tree.is_own(one.imported) and not names & {*allowed, *INTERFACES}:
            yield f'{one.importer} -> {one.imported}'


def no_module_imports_itself_through_others(tree):
    graph = defaultdict(set)
    for one in tree.imports:
        if tree.is_own(one.imported):
            graph[one.importer].add(one.imported)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        yield ' -> '.join(reversed(error.args[1]))


def analysis_and_reporting_never_reach_jax(tree):
    return tree.paths_to_jax(NEVER_JAX, ('load', 'call'))


def commands_and_readers_load_without_jax(tree):
    return tree.paths_to_jax(NO_JAX_AT_LOAD, ('load',))


def only_reporting_and_studies_render(tree):
    for one in tree.imports:
        is_renderer = one.imported.split('.')[0] in RENDERERS
        if is_renderer and package_of(one.importer) not in ('reporting', 'studies', 'launch'):
            yield f'{one.importer} -> {one.imported}'


def pairjax_has_few_modules_and_packages(tree):
    modules = [path.name for path in (tree.root / 'pairjax').glob('*.py')]
    if len(modules) > MOST_MODULES or len(tree.packages) > MOST_PACKAGES:
        yield f'{len(modules)} modules and {len(tree.packages)} packages in pairjax'


def files_and_functions_are_short(tree):
    for name, path in tree.files.items():
        num_lines = len(path.read_text().splitlines())
        if num_lines > MOST_FILE_LINES:
            yield f'{name}: {num_lines} lines'
        for node in ast.walk(tree.parsed[name]):
            if isinstance(node, ast.FunctionDef):
                num_lines = node.end_lineno - node.lineno + 1
                if num_lines > MOST_FUNCTION_LINES:
                    yield f'{name}.{node.name}: {num_lines} lines'


def public_names_are_defined_once(tree):
    places = defaultdict(list)
    for module, parsed in tree.parsed.items():
        for node in parsed.body if module.startswith('pairjax.') else ():
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith('_'):
                places[node.name].append(module)
    for name, modules in sorted(places.items()):
        if len(modules) > 1:
            yield f'{name}: {", ".join(modules)}'


def packages_say_what_they_hold_and_may_import(tree):
    for package in tree.packages:
        text = ast.get_docstring(tree.parsed[f'pairjax.{package}']) or ''
        if text.count('.') < 2 or 'May import: ' not in text:
            yield package


RULES = (
    imports_run_one_way,
    no_module_imports_itself_through_others,
    analysis_and_reporting_never_reach_jax,
    commands_and_readers_load_without_jax,
    only_reporting_and_studies_render,
    pairjax_has_few_modules_and_packages,
    files_and_functions_are_short,
    public_names_are_defined_once,
    packages_say_what_they_hold_and_may_import,
)
# What breaks a rule today, up to the colon of the message; a line goes when its break goes.
KNOWN_BREAKS: dict[str, tuple[str, ...]] = {}


@pytest.fixture(scope='module')
def tree():
    return Tree(ROOT)


@pytest.mark.parametrize('rule', RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_to_the_rule(tree, rule):
    found = {text.partition(':')[0]: text for text in rule(tree)}
    known = set(KNOWN_BREAKS.get(rule.__name__, ()))
    new = [text for key, text in sorted(found.items()) if key not in known]
    assert not new, '\n'.join(['this breaks the rule:', *new])
    gone = sorted(known - found.keys())
    assert not gone, '\n'.join(['to be deleted from KNOWN_BREAKS, since they are mended:', *gone])


LONG_FUNCTION = 'def f():\n' + '    pass\n' * MOST_FUNCTION_LINES
BROKEN = [
    (imports_run_one_way, {'ops/a': 'from pairjax.models import b', 'models/b': ''}),
    (imports_run_one_way, {'ops/a': 'def f():\n    import pairjax.data.b', 'data/b': ''}),
    (
        imports_run_one_way,
        {
            'models/a': 'from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n'
            '    from pairjax.data.sources import b'
        },
    ),
    (imports_run_one_way, {'runtime/a': 'import pairjax.reporting.b', 'reporting/b': ''}),
    (
        no_module_imports_itself_through_others,
        {'ops/a': 'import pairjax.ops.b', 'ops/b': 'def f():\n    import pairjax.ops.a'},
    ),
    (analysis_and_reporting_never_reach_jax, {'analysis/a': 'def f():\n    import jax.numpy'}),
    (
        analysis_and_reporting_never_reach_jax,
        {'reporting/a': 'from pairjax.workdir import b', 'workdir/b': 'import optax'},
    ),
    (
        commands_and_readers_load_without_jax,
        {'config': 'import pairjax.ops.a', 'ops/a': 'import jax'},
    ),
    (
        commands_and_readers_load_without_jax,
        {'config': 'import pairjax.ops.a', 'ops/a': '', 'ops/__init__': 'import flax'},
    ),
    (only_reporting_and_studies_render, {'runtime/a': 'from rich.console import Console'}),
    (pairjax_has_few_modules_and_packages, dict.fromkeys('abcdefghi', '')),
    (files_and_functions_are_short, {'ops/a': '#\n' * (MOST_FILE_LINES + 1)}),
    (files_and_functions_are_short, {'ops/a': LONG_FUNCTION}),
    (public_names_are_defined_once, {'ops/a': 'class A: pass', 'data/b': 'def A(): pass'}),
    (packages_say_what_they_hold_and_may_import, {'ops/__init__': '"""Convolution."""'}),
]


@pytest.mark.parametrize(('rule', 'files'), BROKEN)
def test_a_break_is_found(rule, files, tmp_path):
    for name, text in files.items():
        path = tmp_path / 'pairjax' / f'{name}.py'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert len(list(rule(Tree(tmp_path)))) == 1


def test_reports_load_without_jax():
    """What the source says, once in a real process."""
    code = 'import sys, pairjax.reporting.html.report; sys.exit("jax" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code], cwd=ROOT).returncode == 0


def test_the_picture_shows_the_imports_of_today():
    """`python docs/draw_architecture.py` draws it again."""
    assert PICTURE.read_text() == draw(package_arrows(read_imports()))
