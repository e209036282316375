"""Draws docs/figures/architecture.svg from the imports that the code has.

python docs/draw_architecture.py            # write the picture
python docs/draw_architecture.py --check    # exit with 1 where the picture is out of date
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / 'docs' / 'figures' / 'architecture.svg'
# Modules that every other one may import; arrows to them would only hide the others.
BASE = ('config', 'errors', 'system', 'trials')
# Only an interface, which reporting implements and runtime calls.
INTERFACES = ('pairjax.runtime.callbacks',)

WIDTH, HEIGHT, ROW = 250, 58, 98
# Left edge and row of each box.
PLACES = {
    'launch': (268, 0),
    'studies': (20, 1),
    'inference': (515, 2),
    'reporting': (20, 3),
    'runtime': (515, 3),
    'analysis': (20, 4),
    'training': (515, 4),
    'workdir': (20, 5),
    'models': (515, 5),
    'data': (240, 6),
    'ops': (515, 6),
}
SUBTITLES = {
    'launch': 'flags in, one call, exit code',
    'studies': 'what writes documents',
    'inference': 'trained runs: restore, predict',
    'reporting': 'console, plots, HTML',
    'runtime': 'many runs: vectorise, shard, loop',
    'analysis': 'numbers: statistics, comparison',
    'training': 'one run: state, step, losses',
    'workdir': 'files: metrics, checkpoints',
    'models': 'networks, registry, decision',
    'data': 'images, pairs, augmentation',
    'ops': 'convolution, pooling, batch norm',
}


class Import(NamedTuple):
    """One import statement.

    importer, imported: dotted names of modules, such as pairjax.data.pairs.
    when: 'load' for an import that runs with the module, 'call' inside a function, 'typing' under
      `if TYPE_CHECKING`.
    """

    importer: str
    imported: str
    when: str


def module_files(root: Path = ROOT) -> dict[str, Path]:
    """The Python files of pairjax, launch and configs by dotted module name."""
    files = {}
    for folder in ('pairjax', 'launch', 'configs'):
        for path in sorted((root / folder).rglob('*.py')):
            name = '.'.join(path.relative_to(root).with_suffix('').parts)
            files[name.removesuffix('.__init__')] = path
    return files


def read_imports(root: Path = ROOT) -> list[Import]:
    """Every import statement of pairjax, launch and configs, also of modules from elsewhere."""
    files = module_files(root)
    imports = []
    for name, path in files.items():
        for node, when in _import_nodes(ast.parse(path.read_text()), 'load'):
            if isinstance(node, ast.Import):
                imported = [alias.name for alias in node.names]
            else:
                names = [f'{node.module}.{alias.name}' for alias in node.names]
                imported = [n if n in files else node.module for n in names]
                # Any module may print the version; this loads nothing but pairjax/__init__.py.
                imported = [] if names == ['pairjax.__version__'] else imported
            imports += [Import(name, other, when) for other in imported]
    return imports


def _import_nodes(node: ast.AST, when: str) -> Iterator[tuple[ast.Import | ast.ImportFrom, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, when
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _import_nodes(child, 'call')
        elif isinstance(child, ast.If) and 'TYPE_CHECKING' in ast.dump(child.test):
            yield from _import_nodes(child, 'typing')
        else:
            yield from _import_nodes(child, when)


def package_of(module: str) -> str:
    """The box that a module of this repository belongs to, or its own name where it has none."""
    parts = module.split('.')
    if parts[0] == 'launch' or module == 'pairjax.cli':
        return 'launch'
    return parts[1] if parts[0] == 'pairjax' and len(parts) > 1 else parts[0]


def package_arrows(imports: list[Import]) -> list[tuple[str, str]]:
    """The imports between packages, without those that a path of other arrows implies."""
    imports = [i for i in imports if i.imported not in INTERFACES]
    pairs = {(package_of(i.importer), package_of(i.imported)) for i in imports}
    arrows = {(a, b) for a, b in pairs if a != b and {a, b} <= PLACES.keys()}
    for arrow in sorted(arrows):
        if _is_reachable(*arrow, arrows - {arrow}):
            arrows.remove(arrow)
    return sorted(arrows)


def _is_reachable(start: str, end: str, arrows: set[tuple[str, str]]) -> bool:
    seen, new = set(), {start}
    while new:
        seen |= new
        new = {b for a, b in arrows if a in new} - seen
    return end in seen


def draw(arrows: list[tuple[str, str]]) -> str:
    """The picture as SVG text."""
    rows = max(row for _, row in PLACES.values()) + 1
    width, height = 785, rows * ROW + 80
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" text-anchor="middle">',
        '<title>The packages of pairjax and what each imports</title>',
        '<defs><marker id="head" viewBox="0 0 10 10" refX="10" refY="5" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0L10 5L0 10z" fill="#444"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        *(_arrow(*arrow) for arrow in arrows),
        *(_box(x, 20 + row * ROW, WIDTH, name) for name, (x, row) in PLACES.items()),
        _box(20, 20 + rows * ROW, width - 40, ', '.join(BASE), 'every package may import these'),
        '</svg>',
    ]
    return '\n'.join(lines) + '\n'


def _arrow(start: str, end: str) -> str:
    """A line from the lower edge of one box to the upper edge of another, or between its sides."""
    (x1, row1), (x2, row2) = PLACES[start], PLACES[end]
    y1, y2 = 20 + row1 * ROW, 20 + row2 * ROW
    if row1 == row2:
        y1, y2 = y1 + HEIGHT / 2, y2 + HEIGHT / 2
        x1, x2 = (x1, x2 + WIDTH) if x1 > x2 else (x1 + WIDTH, x2)
    else:
        x1, x2 = x1 + WIDTH / 2, x2 + WIDTH / 2
        y1, y2 = (y1 + HEIGHT, y2) if row1 < row2 else (y1, y2 + HEIGHT)
    line = f'x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"'
    return f'<line {line} stroke="#444" stroke-width="1.5" marker-end="url(#head)"/>'


def _box(x: float, y: float, width: float, title: str, subtitle: str = '') -> str:
    middle = x + width / 2
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{HEIGHT}" rx="6" fill="#eef3fa" '
        f'stroke="#35679a"/><text x="{middle:g}" y="{y + 24:g}" font-size="17" '
        f'font-weight="bold">{title}</text><text x="{middle:g}" y="{y + 45:g}" '
        f'font-size="13">{subtitle or SUBTITLES[title]}</text>'
    )


if __name__ == '__main__':
    text = draw(package_arrows(read_imports()))
    if '--check' not in sys.argv:
        PICTURE.write_text(text)
    elif not PICTURE.exists() or PICTURE.read_text() != text:
        sys.exit(f'{PICTURE.relative_to(ROOT)} is out of date: python docs/draw_architecture.py')
