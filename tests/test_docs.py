"""The documents for people who change the code: every name and link in them exists."""

import ast
import re

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
