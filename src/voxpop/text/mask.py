"""Personal data in a cleaned text, replaced by what kind of thing it was: [EMAIL] [PHONE] [ID] [CARD] [IBAN].

Numbers are what financial news is made of, so a number is masked only on evidence: a check digit, a shape that nothing
but a telephone number has, a numbering plan that knows it, or a word before it that says what it is. Addresses of
pages, DOIs and dates are stepped over. A cheap look for long digit sequences comes first; most texts go no further.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from stdnum import luhn
from stdnum.br import cpf
from stdnum.iso7064 import mod_11_2, mod_97_10
from stdnum.kr import rrn


def mask(text: str) -> str:
    """``text`` with personal data replaced. Masking twice changes nothing more."""
    return mask_document(text, 0)[0]


def mask_document(text: str, title_end: int) -> tuple[str, int]:
    """As :func:`mask`, with the end of the title moved along; a mask that begins in the title belongs to it."""
    parts: list[str] = []
    position, moved_end = 0, title_end
    for start, end, tag in _spans(text):
        parts += [text[position:start], tag]
        position = end
        if start < title_end:
            moved_end += len(tag) - (min(end, title_end) - start)
    return ("".join([*parts, text[position:]]), moved_end) if parts else (text, title_end)


def _spans(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, tag) of what must go, in order."""
    if not (_LONG_NUMBER.search(text) or _PERHAPS_EMAIL.search(text)):
        return
    position = 0
    while found := _START.search(text, position):
        if found.lastgroup == "url":
            for email in _EMAIL.finditer(text, *found.span()):
                yield *email.span(), "[EMAIL]"
        elif found.lastgroup == "email":
            yield *found.span(), "[EMAIL]"
        elif found.lastgroup != "date" and (span := _number(text, found.start())):
            yield span
            position = span[1]
            continue
        position = found.end()


def _number(text: str, start: int) -> tuple[int, int, str] | None:
    """The personal number that begins at ``start``, as a span with its tag."""
    before = text[max(0, start - _CONTEXT) : start]
    for kind in _KINDS:
        match = kind.pattern.match(text, start)
        if match and kind.proof(match[0], before):
            after = text[match.end() : match.end() + 10]
            if kind.tag == "[PHONE]" and (_UNIT.match(after) or _CURRENCY.search(before)):
                continue
            return start, match.end(), kind.tag
    return None


_CONTEXT = 28
"""Characters before a number in which a word may say what it is."""

# --- where to look ---------------------------------------------------------------------------------------------------

_LONG_NUMBER = re.compile(
    r"[0-9](?:[ .()\-]{0,2}[0-9]){6}|[0-9]{2}(?: ?[0-9]{2}){2} ?[A-D]\b|[0-9]{2} [A-Z]{4} [0-9]{4}"
)
_AT = r"(?:@|\ ?[\[(]\ ?(?:at|AT)\ ?[\])]\ ?)"
_PERHAPS_EMAIL = re.compile(r"@[A-Za-z0-9-]+\.|[\[(] ?(?:at|AT) ?[\])]")
_EMAIL_PATTERN = (
    r"(?<![A-Za-z0-9._%+\-])[A-Za-z0-9_%+][A-Za-z0-9._%+\-]*+"
    rf"{_AT}[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)*\.[A-Za-z]{{2,}}+"
)
_EMAIL = re.compile(_EMAIL_PATTERN)
_NOT_BEFORE = r"(?<![A-Za-z0-9_@#=&~*])(?<![^0-9]/)(?<![0-9]\.)(?<![A-Za-z0-9]-)"
_START = re.compile(
    rf"""(?P<url>https?://[^\s\u3000-\u9fff\uff00-\uffef]++
    | (?<![A-Za-z0-9.-])(?:[A-Za-z0-9-]{{1,63}}\.){{1,4}}(?:com|cn|org|net|io|co|hk|me|tv|uk)/[^\s\u3000-\u9fff]++
    | (?<![0-9.])10\.[0-9]{{4,9}}/\S++)
    | (?P<email>{_EMAIL_PATTERN})
    | (?P<date>(?<![0-9])(?:(?:19|20)[0-9]{{2}}([-./])(?:0?[1-9]|1[0-2])\4(?:3[01]|[12][0-9]|0?[1-9])
               | (?:3[01]|[12][0-9]|0?[1-9])([-./])(?:3[01]|[12][0-9]|0?[1-9])\5(?:19|20)[0-9]{{2}})(?![0-9]|[-.][0-9]))
    | {_NOT_BEFORE}(?:(?=[+(]{{0,2}}[0-9](?:[\ .()/\-]{{0,2}}[0-9]){{6}})[+(]{{0,2}}[0-9]++
               | (?=[A-Z]{{2}}[0-9]{{2}}|[A-Z]{{1,2}}\ ?[0-9]{{2}}\ ?[0-9]{{2}}\ ?[0-9]{{2}})[A-Z]{{1,2}}\ ?[0-9]++)""",
    re.X,
)
_UNIT = re.compile(
    r"[ ]?(?:股|元|美元|美金|港元|港币|港幣|欧元|日元|万|萬|亿|億|手|份|吨|噸|桶|户|人|次|张|%|"
    r"(?:shares?|dollars?|yuan|yen|euros?|usd|cny|rmb|hkd|eur|units?|barrels|tonn?e?s|contracts|million|billion|"
    r"trillion|people|users|customers|votes|views|followers|coins|tokens)\b)",
    re.I,
)
_CURRENCY = re.compile(r"(?:[$€£¥￥₩₹]|\b(?:USD|RMB|CNY|HKD|EUR|GBP|JPY|Rs\.?|CHF)) ?$")

# --- what counts as proof --------------------------------------------------------------------------------------------

_FILLER = (
    r"(?:[\s:：.,，#(（\[\"'/=*-]|card|numbers?|nos?|us|me|him|her|at|on|is|or|to|my|our|code|"
    r"号码|号|碼|號|码|是|为|為|请|請|我|他){0,6}$"
)
_PHONE_WORD = re.compile(
    r"(?:\b(?:tel|telephone|phone|mobile|cell|cellphone|whatsapp|telegram|viber|wechat|fax|call|text|sms|dial|hotline|"
    r"contact|ring)|"
    r"电话|電話|手机|手機|联系|聯繫|聯絡|致电|致電|热线|熱線|传真|傳真|座机|拨打|撥打|来电|微信)" + _FILLER,
    re.I,
)
_ID_WORD = re.compile(
    r"(?:\b(?:passport|ssn|social security|national id|identity card|id(?= ?(?:card|number|no\b))|tax id|nhs|"
    r"aadhaar|driving licence|driver'?s license)|身份证|身份證|护照|護照|社保|驾驶证|通行证|证件)" + _FILLER,
    re.I,
)
_CARD_WORD = re.compile(
    r"(?:\b(?:card|account|acct|a/c|bank details)|卡号|卡號|银行卡|銀行卡|账号|帐号|賬號|账户|帐户|賬戶|储蓄卡|"
    r"信用卡|借记卡)" + _FILLER,
    re.I,
)
_DAY = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[0-9]{6})?$")
_YEARS = re.compile(r"(?:(?:19|20)[0-9]{2}(?:[ /-]+|$))+$|[0-9]{6}(?: [0-9]{6})+$")
_STOCK_CODES = re.compile(r"0?[0-9]{4}(?: 0?[0-9]{4})+$|[0-9]{6}(?: [0-9]{6})+$")
_ISSUERS = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})$|(?:5[1-5]|2[2-7])[0-9]{14}$|3[47][0-9]{13}$|3(?:0[0-5]|[68][0-9])[0-9]{11}$|"
    r"35[0-9]{14}$|6(?:011|4[4-9]|5)[0-9]{12,13}$|62[0-9]{14,17}$|(?:9558|6013|6014|603[0-9]|6858|9400|9111)[0-9]{12,15}$"
)
"""Visa, Mastercard, American Express, Diners, JCB, Discover, UnionPay and the older Chinese bank cards."""
_REGIONS = ("GB", "CN", "DE", "FR", "JP", "AU", "IN", "IT", "KR", "TW")


def _digits(number: str) -> str:
    return "".join(character for character in number if character in "0123456789")


def _always(number: str, before: str) -> bool:
    return True


def _said(word: re.Pattern[str]) -> Callable[[str, str], bool]:
    """Proof by the word that stands before."""

    def proof(number: str, before: str) -> bool:
        return bool(word.search(before)) and not _DAY.match(number) and not _YEARS.match(number)

    return proof


def _is_chinese_id(number: str, before: str) -> bool:
    """GB 11643: the last character is a check digit by ISO 7064 MOD 11-2."""
    compact = re.sub("[ -]", "", number).upper()
    return bool(mod_11_2.is_valid(compact)) or bool(_ID_WORD.search(before))


def _is_card(number: str, before: str) -> bool:
    digits = _digits(number)
    return bool(_ISSUERS.match(digits)) and (bool(luhn.is_valid(digits)) or bool(_CARD_WORD.search(before)))


def _is_iban(number: str, before: str) -> bool:
    return bool(mod_97_10.is_valid(number[4:].replace(" ", "") + number[:4])) if " " not in number[:4] else False


def _is_cpf(number: str, before: str) -> bool:
    return bool(cpf.is_valid(number))


def _is_rrn(number: str, before: str) -> bool:
    return bool(rrn.is_valid(number)) or bool(_ID_WORD.search(before))


def _is_hong_kong_id(number: str, before: str) -> bool:
    """Weights 9 to 2 from the left, letters count from A = 10, a missing first letter 36; the sum is 0 modulo 11."""
    prefix, digits, check = re.match(r"([A-Z]+)([0-9]+)\(([0-9A])", number).groups()  # type: ignore[union-attr]
    letters = [ord(letter) - 55 for letter in prefix.rjust(2)] if len(prefix) == 2 else [36, ord(prefix) - 55]
    values = [*letters, *map(int, digits), 10 if check == "A" else int(check)]
    return sum(weight * value for weight, value in zip(range(9, 0, -1), values, strict=True)) % 11 == 0


def _is_taiwan_id(number: str, before: str) -> bool:
    """The letter is a two-digit county code; weights 1, 9, 8, … 1, 1; the sum is 0 modulo 10."""
    county = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(number[0]) + 10
    values = [county // 10, county % 10, *map(int, number[1:])]
    return sum(w * v for w, v in zip([1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1], values, strict=True)) % 10 == 0


def _is_singapore_id(number: str, before: str) -> bool:
    total = sum(w * int(d) for w, d in zip([2, 7, 6, 5, 4, 3, 2], number[1:8], strict=True)) + 4 * (number[0] in "TG")
    return ("JZIHGFEDCBA" if number[0] in "ST" else "XWUTRQPNMLK")[total % 11] == number[8]


def _is_international(number: str, before: str) -> bool:
    """With its country code. Numbers made up for examples have the plan's length without being in use: they pass."""
    if number.startswith("00"):
        return not _STOCK_CODES.match(number) and _fits("+" + number[2:], None, strict=True)
    return _fits(number, None, strict="." in number)


def _is_national(number: str, before: str) -> bool:
    """With a leading zero, in one of the plans of ``_REGIONS``, or shaped as a British mobile number."""
    number = re.split("[x转e,]", number)[0]
    digits = _digits(number)
    separators = set(re.sub("[0-9()]", "", number))
    if not 9 <= len(digits) <= 12 or number == digits or _STOCK_CODES.match(number):
        return False
    if "." in separators and len(separators) > 1:
        return False
    return bool(re.match("07[0-9]{9}$", digits)) or any(_fits(number, region, strict=True) for region in _REGIONS)


def _fits(number: str, region: str | None, *, strict: bool) -> bool:
    import phonenumbers  # here because few texts hold what might be a telephone number

    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(parsed) if strict else phonenumbers.is_possible_number(parsed)


class _Kind(NamedTuple):
    pattern: re.Pattern[str]
    tag: str
    proof: Callable[[str, str], bool]


def _kind(tag: str, pattern: str, proof: Callable[[str, str], bool] = _always) -> _Kind:
    return _Kind(re.compile(rf"(?:{pattern})(?![0-9A-Za-z_%‰]|[.-][0-9]|,[0-9]{{3}}(?![0-9]))"), tag, proof)


_IBAN_LENGTHS = {
    15: "NO", 16: "BE", 18: "DK FO FI GL NL", 19: "MK SI", 20: "AT BA EE KZ LT LU XK", 21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS", 23: "AE GI IL IQ OM TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST",
    26: "IS TR", 27: "FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU",
    31: "MT SC", 32: "LC",
}  # fmt: skip
"""Characters of an IBAN by country (ISO 13616 registry)."""
_IBAN = "|".join(
    rf"(?:{'|'.join(countries.split())})[0-9]{{2}}(?: ?[A-Z0-9]){{{length - 4}}}"
    for length, countries in _IBAN_LENGTHS.items()
)
_NATIONAL_INSURANCE = (
    r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]"
)
_EXTENSION = r"(?:,? ?(?:x|ext\.?|转|-) ?[0-9]{1,5})?"
_INTERNATIONAL = rf"(?:\+|00(?=[1-9]))\(?[0-9]{{1,3}}\)?(?:[ .\-/]?\(?[0-9]{{1,12}}\)?){{1,7}}{_EXTENSION}"
_NANP = rf"(?:1[ .-])?(?:\([2-9][0-9]{{2}}\) ?|[2-9][0-9]{{2}}[-.])[0-9]{{3}}[-. ][0-9]{{4}}{_EXTENSION}"
_NATIONAL = rf"\(?0[1-9][0-9]{{0,3}}\)?(?:[ \-./]{{0,2}}[0-9]{{2,8}}){{1,5}}{_EXTENSION}"
_BIRTHDAY = r"(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_ANY_NUMBER = r"[0-9](?:[ -]?[0-9])"

_KINDS = (
    _kind("[IBAN]", _IBAN, _is_iban),
    _kind("[ID]", rf"[1-9][0-9]{{5}}[ -]?{_BIRTHDAY}[ -]?[0-9]{{3}}[0-9Xx]", _is_chinese_id),
    _kind("[ID]", r"(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}"),
    _kind("[ID]", r"[0-9]{6}-[1-8][0-9]{6}", _is_rrn),
    _kind("[ID]", r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", _is_cpf),
    _kind("[ID]", r"[A-Z]{1,2}[0-9]{6}\([0-9A]\)", _is_hong_kong_id),
    _kind("[ID]", r"[A-Z][12][0-9]{8}", _is_taiwan_id),
    _kind("[ID]", r"[STFG][0-9]{7}[A-Z]", _is_singapore_id),
    _kind("[ID]", _NATIONAL_INSURANCE),
    _kind("[CARD]", r"[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}\1[0-9]{3}", _is_card),
    _kind("[CARD]", r"[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}", _is_card),
    _kind("[CARD]", r"[0-9]{4}([ -])[0-9]{6}\1[0-9]{4,5}|[0-9]{6}[ -][0-9]{10,13}|[0-9]{13,19}", _is_card),
    _kind("[PHONE]", r"(?:\(?(?:\+|00)?86\)?[ -]?)?1[3-9][0-9](?:[ -]?[0-9]{4}){2}"),
    _kind("[PHONE]", _INTERNATIONAL, _is_international),
    _kind("[PHONE]", _NANP),
    _kind("[PHONE]", r"[48]00-(?:[0-9]{7}|[0-9]{4}-[0-9]{3})"),
    _kind("[PHONE]", _NATIONAL, _is_national),
    _kind("[ID]", rf"[A-Z]{{0,2}}{_ANY_NUMBER}{{5,19}}[Xx]?", _said(_ID_WORD)),
    _kind("[CARD]", rf"{_ANY_NUMBER}{{7,20}}", _said(_CARD_WORD)),
    _kind("[PHONE]", r"\(?[0-9](?:[ .()\-]{0,2}[0-9]){6,14}", _said(_PHONE_WORD)),
)
