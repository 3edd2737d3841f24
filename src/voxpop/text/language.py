"""The language of a text, as far as Voxpop cares: English, Chinese or another.

Scripts decide most texts, function words most of the rest; only what both leave open goes to py3langid, which is two
orders of magnitude slower.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from voxpop.records import Language


def detect(text: str, hint: str | None = None) -> Language:
    """The language of ``text``, read from its first thousand characters.

    Args:
        hint: what the source says (a BCP 47 tag such as "en-US"); it decides only what the text leaves open.
    """
    claimed = (hint or "").lower().replace("_", "-").partition("-")[0]
    sample = _NOT_WORDS.sub(" ", text[:_SAMPLE])
    if not sample.isascii() and (by_script := _by_script(sample, claimed)):
        return by_script
    words = _WORD.findall(sample.lower())
    return _by_words(words) or _by_model(sample, words, claimed)


_SAMPLE = 1000
"""Characters read: more of a text does not change its language."""

# --- scripts ---------------------------------------------------------------------------------------------------------

_NOT_WORDS = re.compile(r"https?://\S+|[@$]\w+|\[(?:EMAIL|PHONE|ID|CARD|IBAN)\]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_KANA = re.compile("[\u3041-\u30ff\u31f0-\u31ff]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]+")
_FOREIGN = re.compile(
    "[\u0370-\u1cff\u1f00-\u1fff\u2c00-\u2dff\u3130-\u318f\ua000-\ua4cf\ua840-\ud7ff\ufb1d-\ufdff\ufe70-\ufefc]+"
)
"""Greek, Cyrillic, Armenian, Hebrew, Arabic, the scripts of India and South-East Asia, Ethiopic, Hangul and others."""
_ENGLISH_GRAMMAR = re.compile(r"\b(?:the|of|and|to|in|is|are|for|on|at|with|as|after|by|its|from)\b", re.I)
_VIETNAMESE = re.compile("[\u01a0\u01a1\u01af\u01b0\u1ea0-\u1ef9\u0110\u0111\u0102\u0103]")


def _length(pattern: re.Pattern[str], sample: str) -> int:
    return sum(map(len, pattern.findall(sample)))


def _by_script(sample: str, claimed: str) -> Language | None:
    """Decided by script, or None for what is Latin. A Chinese character weighs as much as three Latin letters."""
    han, latin, foreign = (_length(pattern, sample) for pattern in (_HAN, _LATIN, _FOREIGN))
    kana = len(_KANA.findall(sample)) if han or max(sample) > "\u3040" else 0
    if foreign * 2 > latin + han * 3:
        return "other"
    east = han + kana
    if east * 3 >= latin > 0 or (east and (east * 8 >= latin) and not _ENGLISH_GRAMMAR.search(sample)):
        # A lone の decorates Chinese shop names; real Japanese is a third kana, its headlines at least a tenth.
        japanese = kana * 10 > east or claimed == "ja"
        return "other" if japanese else "zh"
    return "other" if len(_VIETNAMESE.findall(sample)) * 12 > latin else None


# --- words -----------------------------------------------------------------------------------------------------------

_WORD = re.compile("[a-z\u00df-\u024f]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ENGLISH = _words(
    # function words that no neighbour shares
    " declares dividend per cent quits firm firms says unit posts eyes seeks plan new deals the of and to is are"
    " was were be been it its he she they we you i this that these those with from by for as at will would could"
    " should can may might must has have had not but if than then there their his her our your my what when where"
    " who why how which into over after before about against between during under above up down out off more most"
    " some any all no new just now only also very too so here get got says said say amid its it's don't i'm"
    " because while still back next last first year week month today tomorrow yesterday day monday tuesday"
    " wednesday"
    # what finance writes about
    " thursday friday shares share stock stocks market markets price prices profit profits earnings revenue sales"
    " growth buy sell bought sold rise rises rose rising fall falls fell falling gain gains jump jumps surge"
    " surges plunge plunges drop drops beat beats miss misses cut cuts raise raises report reports quarter"
    " quarterly bank banks deal debt loss losses loan record high low higher lower investors trading trader"
    " traders rate rates inflation oil gold company companies chief ceo sued sues lawsuit recall recalls fraud"
    " probe fine fined layoffs jobs strike bankruptcy outlook forecast guidance upgrade upgraded downgrade"
    " downgraded target analyst analysts bullish bearish long short calls puts chart breakout support looking good"
    " great nice big bad money make time going love watch open close closed energy tech rally selloff hits hit set"
    " sets wins launches plans announces slumps soars tumbles shuts denies"
)
_OTHERS = _words(
    # Spanish, Portuguese
    " el los las del que por para con una un su sus es son está están más pero como también sobre entre desde"
    " hasta este esta tras ya y se lo al muy fue ser hay según año años e o os da do das dos na nas no nos em um"
    " uma não são mais pelo pela após foi ao aos com ou sua seu seus até também empresa acciones ventas ganancias"
    " bolsa mercado ações lucro vendas subieron cayeron sube cae caen suben sobe cai trimestre millones milhões"
    " banco bancos precios preços"
    # French, Italian, Romanian
    " le la les des du et est sont dans pour avec sur une au aux par plus ne pas qui ce cette ces il elle après"
    " selon leur mais ont été bénéfice hausse baisse chiffre affaires actions bourse marché milliards entreprise"
    " entre il gli di del della dei delle che per con sono è più anche dopo nel nella alla dal dalla azioni"
    " mercato borsa utile miliardi milioni sale scende și în din la cu este sunt pe care"
    # German, Dutch, the Nordic languages
    " der die das den dem des ein eine einen einer und ist sind nicht mit von zu im auf für bei nach aus wie auch"
    " sich wird werden hat haben vor über gegen aktie aktien umsatz gewinn milliarden millionen prozent"
    " unternehmen het een van en zijn wordt niet voor met op aan bij naar uit ook maar deze dat heeft winst"
    " aandelen omzet och är att det som på av till för med har inte den ett och om men och og er på til ikke fra"
    " af vinst aktier ja on ei oli että mutta ovat osake liikevaihto"
    # Indonesian, Malay, Tagalog, Turkish
    " yang dan di ke dari untuk dengan ini itu pada adalah tidak akan dalam oleh sebagai saham harga naik turun"
    " perusahaan juta miliar triliun laba persen telah juga bisa karena ang ng sa mga ay na para bu ve bir için"
    " ile daha olarak hisse hisseleri yüzde arttı düştü şirket"
    # Polish, Czech, Hungarian
    " nie się że jest na z w do po od przez spółka akcje zysk wzrost spadek je se že v za ale byl podle a az és"
    " egy hogy nem részvény"
) - _words("do no on to an in die was war so fast hat or are man as at per sale cut low for all she he pay us you a i")


def _by_words(words: list[str]) -> Language | None:
    """Decided by words that only one side uses, or None where they are few or divided."""
    if not words:
        return None
    english = sum(word in _ENGLISH for word in words)
    others = sum(word in _OTHERS for word in words)
    if english >= 2 and english >= 3 * others and english * 8 >= len(words):
        return "en"
    if others >= 2 and others >= 3 * english and others * 6 >= len(words):
        return "other"
    return None


# --- the rest --------------------------------------------------------------------------------------------------------

_CANDIDATES = sorted(
    _words("en es fr de pt it nl id ms tl tr vi pl cs sk hu ro sv da no fi hr sl et lt lv ca sq sw af")
)
_SHORT = 4
"""Fewer words than this are names and tickers more often than a language."""


def _by_model(sample: str, words: list[str], claimed: str) -> Language:
    plain = sample.isascii()
    if not words or (plain and claimed == "en"):
        return _by_claim(sample, claimed)
    foreign = any(word in _OTHERS for word in words if len(word) > 1)
    english = any(word in _ENGLISH for word in words)
    if len(words) < _SHORT and plain and not foreign:
        return "en" if english or not claimed else "other"
    label, confidence = _identifier().classify(sample.lower())
    if label == "en" or claimed == "en":
        return "en"
    # To byte statistics a headline without function words may look like any language: it needs a clear verdict.
    return "en" if confidence < _SURE and not foreign and (plain or english) else "other"


def _by_claim(sample: str, claimed: str) -> Language:
    """For a text without words, or one of plain letters that is said to be English."""
    if claimed == "en" or (not claimed and sample.isascii()):
        return "en"
    return "zh" if claimed == "zh" or (not claimed and _CHINESE_MARKS.search(sample)) else "other"


_CHINESE_MARKS = re.compile("[！？。，、；：（）【】《》]")
_SURE = 0.8
"""py3langid's confidence below which a text in plain letters, without a foreign word, passes for English."""


@cache
def _identifier() -> Any:
    """py3langid's model, loaded when first needed: 0.1 s and 20 MB that most runs never spend."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(_CANDIDATES)
    return identifier
