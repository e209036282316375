"""The exchanges between processes that the code has, read from its source."""

import ast

from draw_architecture import module_files

from pairjax.runtime.callbacks import Callback

# Functions whose first argument is the tag of an exchange.
COLLECTIVES = {
    *('all_gather_objects', 'raise_on_all', 'on_primary', 'any_process', 'context_on_primary'),
    *('assert_equal_across_processes', 'collect_runs'),
}
# Where a tag is passed on.
THROUGH = {
    'pairjax.runtime.multihost',
    'pairjax.runtime.sharding.collect_runs',
    'pairjax.runtime.callback_list.CallbackList.__getattr__',
}
# What else would carry something from process to process.
OTHER_WAYS = {'multihost_utils', '_exchange', '_gather', 'process_allgather'}


def collective_calls():
    """Yields the place of each call of a collective, and its first argument's syntax tree."""
    for module, path in module_files().items():
        if module.startswith(('pairjax', 'launch')):
            yield from _calls(ast.parse(path.read_text()), module)


def _calls(node, place):
    for child in ast.iter_child_nodes(node):
        named = isinstance(child, ast.FunctionDef | ast.ClassDef)
        if isinstance(child, ast.Call) and _called(child) in COLLECTIVES:
            yield place, child.args[0] if child.args else None, _called(child)
        yield from _calls(child, f'{place}.{child.name}' if named else place)


def _called(call):
    return getattr(call.func, 'id', getattr(call.func, 'attr', None))


def _callbacks_called():
    """Yields the methods of callbacks that runtime calls in all processes, and where."""
    methods = {method for method in vars(Callback) if method.startswith('on_')}
    for module, path in module_files().items():
        for call in ast.walk(ast.parse(path.read_text())):
            if module.startswith('pairjax.runtime.') and isinstance(call, ast.Call):
                ends = call.args[0] if _called(call) == 'ending' else None
                found = {getattr(ends, 'value', None), _called(call)} & methods
                yield from ((method, module) for method in found)


def is_passed_on(place):
    return any(place == name or place.startswith(f'{name}.') for name in THROUGH)


def tags():
    """Every tag in the code, with the place of its exchange."""
    found = dict(_callbacks_called())
    for place, tag, function in collective_calls():
        if not is_passed_on(place):
            found[tag.value] = place
            if function == 'context_on_primary':
                found[f'{tag.value}, end'] = place
    return found
