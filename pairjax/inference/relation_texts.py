"""Relations as people write them."""

# Of pairs.RELATIONS; others are shown by name.
_TEXTS = {
    'less_equal': 'a <= b',
    'less': 'a < b',
    'equal': 'a = b',
    'same_parity': 'a and b are both even or both odd',
}


def relation_text(relation: str) -> str:
    """A relation's name as an expression in a and b."""
    return _TEXTS.get(relation, f'{relation}(a, b)')
