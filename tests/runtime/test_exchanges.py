"""Every exchange between processes has a tag of its own, and nothing goes another way."""

import ast
from collections import Counter

from draw_architecture import module_files
from exchanges import OTHER_WAYS, collective_calls, is_passed_on, tags


def test_every_exchange_has_a_tag_of_its_own():
    calls = [call for call in collective_calls() if not is_passed_on(call[0])]
    unnamed = [place for place, tag, _ in calls if not isinstance(tag, ast.Constant)]
    assert not unnamed
    repeated = {tag: n for tag, n in Counter(tag.value for _, tag, _ in calls).items() if n > 1}
    assert not repeated
    assert len(tags()) > 30


def test_nothing_else_goes_from_process_to_process():
    found = [
        f'{module}: {name}'
        for module, path in module_files().items()
        if module.startswith(('pairjax', 'launch')) and module != 'pairjax.runtime.multihost'
        for node in ast.walk(ast.parse(path.read_text()))
        for name in [getattr(node, 'id', getattr(node, 'attr', getattr(node, 'module', None)))]
        if name and str(name).split('.')[-1] in OTHER_WAYS
    ]
    assert not found


def test_messages_are_not_pickled():
    source = module_files()['pairjax.runtime.multihost'].read_text()
    assert 'pickle' not in source
