"""What a source published, turned into plain text: one form for the same words, whoever sends them.

Every offset in Voxpop counts code points of the text that :func:`clean` gives. Cleaning is idempotent, and linear in
the length of its input.
"""

from __future__ import annotations

import re
import unicodedata
from html import unescape
from html.entities import html5
from typing import NamedTuple
from urllib.parse import unquote_plus


class Cleaned(NamedTuple):
    """A cleaned text; ``text[:title_end]`` is its title (0 where there is none)."""

    text: str
    title_end: int


def clean(title: str, text: str) -> Cleaned:
    """Title and body as one plain text, joined by a line break.

    HTML is stripped, entities are unescaped (also when escaped twice), tracking parameters leave the URLs, full-width
    Latin letters, digits and symbols become half-width (Chinese punctuation stays), characters that nobody sees are
    dropped, runs of white space become one space, and paragraphs are divided by one line break. The result is NFC.
    A body that opens with its title (or with what an ellipsis left of it) does not repeat it.
    """
    head = " ".join(_plain(title).split())
    body = _plain(text)
    if not head or not body:
        return Cleaned(head or body, len(head))
    if stem := _opening(head, body):
        return Cleaned(body, len(stem))
    joined = f"{head}\n{body}"
    if "<" in head and _plain(joined) != joined:  # a tag would begin in the title and end in the body
        return clean(head.replace("<", " "), body)
    return Cleaned(joined, len(head))


def _opening(head: str, body: str) -> str:
    """The part of ``head`` that ``body`` opens with, "" where it opens otherwise or goes on inside a word."""
    if body.startswith(head):
        around = body[len(head) - 1 : len(head) + 1]
        return "" if len(around) == 2 and around.isascii() and around.isalnum() else head
    stem = head.rstrip(".… ") if head.endswith(("...", "…")) else ""
    return stem if body.startswith(stem) else ""


def clean_url(url: str) -> str:
    """``url`` without white space around it, tracking parameters, or a fragment made of them."""
    url = url.strip()
    return _untracked(url).strip() if "?" in url or "#" in url else url


def _plain(text: str) -> str:
    """One text cleaned: rounds of decoding until nothing changes, so that a second call finds nothing to do."""
    for _ in range(_ROUNDS):
        decoded = _decode(_characters(text))
        if decoded == text:
            break
        text = decoded
        if "<" not in text and "&" not in text and text.isascii():
            break
    else:
        # Markup nested deeper than anyone writes it: what is left of it must not turn into tags later.
        text = _characters(text).replace("<", " ").replace("&", " ")
    text = _spaces(text)
    return _URL.sub(lambda match: _untracked(match[0]), text) if "://" in text and _MAY_TRACK.search(text) else text


_ROUNDS = 5

# --- characters ------------------------------------------------------------------------------------------------------

_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e007f"
)
_CONTROL = "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
_FOLDED = "＃＄％＆＊＋－．／０-９＠Ａ-Ｚ＿ａ-ｚ"
_ODD = re.compile(f"[{_INVISIBLE}{_CONTROL}]+|[{_FOLDED}]")
_FULL_WIDTH = 0xFEE0
"""Distance between a full-width form and its ASCII twin."""


def _characters(text: str) -> str:
    """Half-width, visible and NFC. Symbols that only NFKC would change (™, ½) keep their meaning and their form."""
    if text.isascii() and text.isprintable():
        return text
    if _ODD.search(text):
        text = _ODD.sub(_half, text)
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def _half(match: re.Match[str]) -> str:
    code = ord(match[0][0])
    return chr(code - _FULL_WIDTH) if 0xFF01 <= code <= 0xFF5E else ""


def _spaces(text: str) -> str:
    return "\n".join(filter(None, (" ".join(line.split()) for line in text.splitlines())))


# --- markup ----------------------------------------------------------------------------------------------------------


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


_BLOCKS = _names(
    "address article aside blockquote body br button caption center dd details dialog div dl dt fieldset figcaption"
    " figure footer form h1 h2 h3 h4 h5 h6 head header hr html legend li main nav ol optgroup option p pre section"
    " select summary table tbody tfoot thead title tr ul"
)
_CELLS = _names("td th img iframe input svg video audio picture object embed canvas")
_INLINE = _names(
    "a abbr acronym amp-img b base bdi bdo big cite code col colgroup data del dfn em font i ins kbd label link map"
    " area mark meta meter nobr noscript output param path progress q rp rt ruby s samp small source span strike strong"
    " sub sup template textarea time track tt u var wbr script style"
)
_TAG = re.compile(
    r"""<(?P<close>/?)(?P<name>[A-Za-z][A-Za-z0-9]*+(?:[:-][A-Za-z][A-Za-z0-9]*+)?)"""
    r"""(?P<attributes>(?:[\s/](?:[^<>"']++|"[^"<]*+"|'[^'<]*+'|["'])*+)?)>"""
)
_DECLARATION = re.compile(r"<[!?][A-Za-z\[][^<>]*+>")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_TWICE = re.compile(r"&(?:amp;)++(?=#|[A-Za-z])")
_HIDDEN = (
    (re.compile(r"<!--"), re.compile(r"-->")),
    (re.compile(r"<script\b[^<>]*+>", re.I), re.compile(r"</script\s*+>", re.I)),
    (re.compile(r"<style\b[^<>]*+>", re.I), re.compile(r"</style\s*+>", re.I)),
)


def _decode(text: str) -> str:
    """One round: what is hidden is dropped, tags are stripped, entities unescaped."""
    if "<" in text:
        for opening, closing in _HIDDEN:
            text = _drop(text, opening, closing)
        if "<!" in text or "<?" in text:
            text = _DECLARATION.sub(
                " ", text.replace("<![CDATA[", "").replace("]]>", "") if "<![CDATA[" in text else text
            )
        text = _TAG.sub(_strip, text)
    if "&" in text and ";" in text:
        text = _ENTITY.sub(_character, _TWICE.sub("&", text))
    return text


def _drop(text: str, opening: re.Pattern[str], closing: re.Pattern[str]) -> str:
    """``text`` without what lies between ``opening`` and ``closing``; an opening that is never closed stays."""
    kept, position = [], 0
    while start := opening.search(text, position):
        end = closing.search(text, start.end())
        if end is None:
            break
        kept.append(text[position : start.start()])
        position = end.end()
    return " ".join([*kept, text[position:]]) if kept else text


def _strip(match: re.Match[str]) -> str:
    """What stands in a tag's place. ``a <b and c> d`` is arithmetic, not bold: a tag has no bare words in it."""
    name, attributes = match["name"].lower(), match["attributes"].strip(" \t\n\r\f/")
    if attributes and (match["close"] or "=" not in attributes) and attributes.lower() not in _BARE:
        return match[0]
    if name in _BLOCKS:
        return "\n"
    if name in _CELLS:
        return " "
    return "" if name in _INLINE or ":" in name else match[0]


_BARE = _names("disabled hidden checked selected controls async defer required nowrap noshade")


def _character(match: re.Match[str]) -> str:
    if match[0][1] == "#":
        return unescape(match[0])
    return html5.get(match[0][1:], match[0])


# --- tracking parameters ---------------------------------------------------------------------------------------------

_URL = re.compile(r"https?://[^\s<>\"'\u2018-\u201f\u3000-\u303f\u3400-\u9fff\uff00-\uffef]++")
_TRACKER = re.compile(
    r"(?:utm_|hsa_|pk_|mtm_|matomo_|piwik_|vero_|oly_|guce_|at_(?=medium|campaign|custom|link|bbc|format|ptr)|_hs|__hs|wt[._]|spm|scm(?:_id)?$"
    r"|(?:fbclid|gclid|gclsrc|dclid|gbraid|wbraid|msclkid|yclid|ysclid|twclid|ttclid|li_fat_id|igshid|igsh|mc_cid|mc_eid|mkt_tok|_ga|_gl"
    r"|ref_src|ref_url|cmpid|ncid|ocid|cvid|ftag|s_cid|soc_src|soc_trk|xtor|guccounter|tt_from|tt_content|wfr|isappinstalled"
    r"|share_token|share_source|share_medium|share_plat|share_session_id|share_from|sharesource|weixin_share|wxfid"
    r"|vd_source|bdchannel|scene|srcid|smid|smtyp|taid|echobox)$)",
    re.I,
)
_MAY_TRACK = re.compile(r"[?#]")


def _untracked(url: str) -> str:
    address, hash_mark, fragment = url.partition("#")
    base, question_mark, query = address.partition("?")
    query = _kept(query)
    fragment = _kept(fragment) if "=" in fragment else fragment
    if fragment.startswith(":~:"):
        fragment = ""
    return base + (question_mark and query and "?" + query) + (hash_mark and fragment and "#" + fragment)


def _kept(query: str) -> str:
    if not query:
        return ""
    return "&".join(
        part for part in query.split("&") if part and not _TRACKER.match(unquote_plus(part.partition("=")[0]))
    )
