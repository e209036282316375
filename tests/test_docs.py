"""The documents: every name and link in them exists, and figures that are in two places agree."""

import ast
import json
import re

import draw_readme
import pytest
from draw_architecture import ROOT, module_files

DOCUMENTS = [
    *('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'),
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / 'docs').glob('*.md')),
]


def members(body):
    """The names that statements define, with those of a class as Class.name."""
    names = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f'{node.name}.{name}' for name in members(node.body)}
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, 'target', None)]
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def is_defined(dotted, files):
    """Whether pairjax has a module of that name, or a module that defines its last parts."""
    parts = f'pairjax.{dotted}'.split('.')
    modules = ('.'.join(parts[:n]) for n in range(len(parts), 1, -1))
    module = next((name for name in modules if name in files), None)
    if module is None:
        return False
    rest = '.'.join(parts[module.count('.') + 1 :])
    return not rest or rest in members(ast.parse(files[module].read_text()).body)


def test_every_function_that_the_architecture_names_exists():
    text = (ROOT / 'docs' / 'architecture.md').read_text()
    dotted = re.findall(r'`([a-z]\w*(?:\.[A-Za-z_]\w*)+)`', text)
    assert len(dotted) > 40
    files = module_files()
    assert [name for name in dotted if not is_defined(name, files)] == []
    # A name that is gone would be noticed.
    assert not is_defined('data.pairs.draw_squares', files) and not is_defined('data.x.y', files)


@pytest.mark.parametrize('document', DOCUMENTS)
def test_every_link_leads_somewhere(document):
    path = ROOT / document
    links = re.findall(r'\]\(([^)#\s]+)', path.read_text())
    local = [link for link in links if not re.match(r'[a-z]+:', link)]
    assert [link for link in local if not (path.parent / link).exists()] == []


def anchors(text):
    """What GitHub calls the headings of a page."""
    text = re.sub(r'```.*?```', '', text, flags=re.DOTALL)
    headings = re.findall(r'^#+ (.+)$', text, re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


@pytest.mark.parametrize('document', DOCUMENTS)
def test_every_section_that_is_linked_exists(document):
    path = ROOT / document
    links = re.findall(r'\]\(([^)#:\s]*)#([^)\s]+)\)', path.read_text())
    pages = {name: path if not name else path.parent / name for name, _ in links}
    assert [link for link in links if link[1] not in anchors(pages[link[0]].read_text())] == []


# ------------------------------------------------------------------------------ the README


def test_the_readme_is_short_and_names_every_page():
    text = (ROOT / 'README.md').read_text()
    assert len(text[text.index('## Install') :].splitlines()) <= 150
    for page in (ROOT / 'docs').glob('*.md'):
        assert f'](docs/{page.name})' in text, page.name


def test_its_plots_are_of_the_recorded_figures():
    sharing = draw_readme.sharing_effects()
    assert {against: len(rows) for against, rows in sharing.items()} == {'separate': 6, 'cut': 6}
    for rows in sharing.values():
        assert [weight for weight, *_ in rows] == [0, 0.25, 0.5, 1, 2, 4]
        assert all(low < mean < high for _, mean, low, high in rows)
    cases = draw_readme.speed_ratios()
    assert [set(case) for case in cases.values()] == [{'eager', 'strongest'}] * 3 + [{'strongest'}]
    assert all(low <= middle <= high for c in cases.values() for low, middle, high in c.values())
    for name in draw_readme.PICTURES:
        assert f'docs/figures/{name}.png' in (ROOT / 'README.md').read_text()


# ----------------------------------------------------------------------- measured figures

FIGURE = r'([\d.]+ \+- [\d.]+)'


def rows_of(page):
    """The cells of each table row that begins with the name of a config."""
    rows = re.findall(r'^\| `(\w+)` \|(.*)\|$', (ROOT / 'docs' / page).read_text(), re.M)
    return {name: cells.split('|') for name, cells in rows}


@pytest.mark.parametrize(
    'name', ['basicnet1', 'auxnet1', 'auxnet2', 'auxnet3', 'shallow', 'deep', 'deep_shared']
)
def test_the_header_of_a_config_has_the_figures_of_the_table(name):
    header = ' '.join((ROOT / 'configs' / f'{name}.py').read_text().split('"""')[1].split())
    bundled = re.search(rf'result: {FIGURE} % at the final epoch', header)[1]
    final, best = re.search(rf'Full MNIST: {FIGURE} % and {FIGURE} %', header).groups()
    cells = rows_of('configs.md')[name][2:5]
    assert [re.match(rf' {FIGURE} \[', cell)[1] for cell in cells] == [bundled, final, best]


def test_the_header_of_pairnet_has_the_figure_of_its_page():
    header = ' '.join((ROOT / 'configs' / 'pairnet.py').read_text().split('"""')[1].split())
    stated = re.search(rf'all pairs of the 10,000 test digits {FIGURE} %', header)[1]
    assert rows_of('pairnet.md')['pairnet'][2].startswith(f' {stated} [')


# -------------------------------------------------------------------------------- the tour


def test_the_page_of_the_tour_is_its_notebook():
    cells = json.loads((ROOT / 'docs' / 'tour.ipynb').read_text())['cells']
    code = [cell for cell in cells if cell['cell_type'] == 'code']
    # Executed from top to bottom in one kernel, and nothing failed.
    assert [cell['execution_count'] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell['outputs']]
    assert len(outputs) > 10 and not [o for o in outputs if o['output_type'] == 'error']
    page = (ROOT / 'docs' / 'tour.md').read_text()
    blocks = re.findall(r'```python\n(.*?)\n```', page, re.DOTALL)
    assert blocks == [''.join(cell['source']) for cell in code]
    for cell in cells:
        if cell['cell_type'] == 'markdown':
            assert ''.join(cell['source']) in page
    assert not re.search(r'(?<![\w.])/(tmp|home|root|work)/', page)
