"""Which code object of an old source becomes which one of a new source; pure, and silent where it cannot know."""

import difflib

from .source import OPTIMIZED, children, meaning


class Alignment:
    """`pairs` leads from the identity of an old code object to the new one; `removed` and `added` are without a
    counterpart; `unclear` holds identities of old ones that might be one of several."""

    def __init__(self):
        self.pairs = {}
        self.removed = []
        self.added = []
        self.unclear = set()


def align(old, new):
    alignment = Alignment()
    _align(old, new, old.code, new.code, alignment)
    return alignment


def _align(old, new, old_parent, new_parent, alignment):
    old_groups, new_groups = _groups(old_parent), _groups(new_parent)
    in_function = bool(old_parent.co_flags & OPTIMIZED)
    for kind in list(old_groups) + [kind for kind in new_groups if kind not in old_groups]:
        before, after = old_groups.get(kind, []), new_groups.get(kind, [])
        pairs, lost, won, unclear = _match(before, after, in_function)
        for code in before:
            # One code object standing for several definitions on a line is safe only while nothing in it changes.
            if id(code) in old.unclear and not _only_moved(code, before, after):
                unclear.append(code)
        alignment.removed.extend(lost)
        alignment.added.extend(won)
        alignment.unclear.update(id(code) for code in unclear)
        for one, other in pairs:
            alignment.pairs[id(one)] = other
            _align(old, new, one, other, alignment)


def _groups(parent):
    groups = {}
    for code in children(parent):
        groups.setdefault((code.co_name, bool(code.co_flags & OPTIMIZED)), []).append(code)
    return groups


def _match(before, after, in_function):
    """(pairs, removed, added, unclear) for the definitions of one name in one scope."""
    if len(before) == len(after) and (len(before) == 1 or not in_function):
        # Outside functions the statements themselves are compared as well, so that the order is sure.
        return list(zip(before, after)), [], [], []
    blocks = difflib.SequenceMatcher(
        None, [meaning(code) for code in before], [meaning(code) for code in after], autojunk=False
    ).get_opcodes()
    pairs, lost, won, unclear = [], [], [], []
    for what, i, i_end, j, j_end in blocks:
        if what == "equal":
            pairs.extend(zip(before[i:i_end], after[j:j_end]))
        elif what == "delete":
            lost.extend(before[i:i_end])
        elif what == "insert":
            won.extend(after[j:j_end])
        elif i_end - i == j_end - j and i == j:
            pairs.extend(zip(before[i:i_end], after[j:j_end]))
        else:
            unclear.extend(before[i:i_end])
            won.extend(after[j:j_end])
    if in_function and len(before) == len(after) and (lost or won):
        # As many as before, yet moved: which existing closure belongs to which definition is a guess.
        unclear.extend(lost)
        lost = []
    return pairs, lost, won, unclear


def _only_moved(code, before, after):
    return len(before) == len(after) and meaning(code) in [meaning(other) for other in after]
