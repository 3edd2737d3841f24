"""Masking: what identifies a person goes, what a price or a code is stays. Every number here is made up."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxpop.text.clean import clean
from voxpop.text.mask import mask, mask_document

MASKED = [
    # e-mail
    ("Write to jane.doe+x@example.co.uk today", "Write to [EMAIL] today"),
    ("邮箱zhang_san@qq.com联系我", "邮箱[EMAIL]联系我"),
    ("13812345678@139.com", "[EMAIL]"),
    ("jane [at] example.com or bob(at)mail.example.org", "[EMAIL] or [EMAIL]"),
    ("https://e.com/unsubscribe?m=jane@example.com&id=1", "https://e.com/unsubscribe?m=[EMAIL]&id=1"),
    ("ｌｉ＠ｅｘａｍｐｌｅ．ｃｎ", "[EMAIL]"),
    # telephone, Chinese
    ("请拨打13812345678", "请拨打[PHONE]"),
    ("手机：138-1234-5678，欢迎来电", "手机：[PHONE]，欢迎来电"),
    ("电话 138 1234 5678。", "电话 [PHONE]。"),
    ("+86 138 1234 5678", "[PHONE]"),
    ("(+86)13812345678", "[PHONE]"),
    ("8613812345678", "[PHONE]"),
    ("张三,13812345678,13987654321,北京", "张三,[PHONE],[PHONE],北京"),
    ("13812345678/13987654321", "[PHONE]/[PHONE]"),
    ("１３８１２３４５６７８", "[PHONE]"),
    ("总机010-62345678转801", "总机[PHONE]"),
    ("深圳0755-86123456", "深圳[PHONE]"),
    ("(021) 62345678", "[PHONE]"),
    ("客服热线400-810-8888", "客服热线[PHONE]"),
    ("热线：4008108888", "热线：[PHONE]"),
    ("联系电话：62345678", "联系电话：[PHONE]"),
    ("2024-03-15 13812345678 来电", "2024-03-15 [PHONE] 来电"),
    # telephone, elsewhere
    ("Call (212) 555-0123 now", "Call [PHONE] now"),
    ("212-555-0123", "[PHONE]"),
    ("212.555.0123", "[PHONE]"),
    ("+1 415 555 2671 x12", "[PHONE]"),
    ("1-800-275-2273", "[PHONE]"),
    ("tel: 2125550123", "tel: [PHONE]"),
    ("Phone number is 212 555 0123.", "Phone number is [PHONE]."),
    ("+44 20 7946 0958", "[PHONE]"),
    ("+44 (0)20 7946 0958", "[PHONE]"),
    ("020 7946 0958", "[PHONE]"),
    ("07700 900123", "[PHONE]"),
    ("0044 20 7946 0958", "[PHONE]"),
    ("+852 2123 4567", "[PHONE]"),
    ("WhatsApp 2123 4567", "WhatsApp [PHONE]"),
    ("+49 30 12345678", "[PHONE]"),
    ("01 23 45 67 89", "[PHONE]"),
    ("03-1234-5678", "[PHONE]"),
    # identity numbers
    ("身份证11010519491231002X。", "身份证[ID]。"),
    ("110105194912310021 and 110105 19491231 002X", "110105194912310021 and [ID]"),
    ("身份证号：110101199003071234", "身份证号：[ID]"),
    ("his SSN 536-90-4399", "his SSN [ID]"),
    ("passport no. E12345678", "passport no. [ID]"),
    ("护照号码G28233515", "护照号码[ID]"),
    ("HKID A123456(3)", "HKID [ID]"),
    ("台灣身分證A123456789", "台灣身分證[ID]"),
    ("NRIC S1234567D", "NRIC [ID]"),
    ("NI number AB 12 34 56 C", "NI number [ID]"),
    ("CPF 390.533.447-05", "CPF [ID]"),
    # cards and accounts
    ("card 4111 1111 1111 1111 exp", "card [CARD] exp"),
    ("4111-1111-1111-1111", "[CARD]"),
    ("5500005555555559", "[CARD]"),
    ("3782 822463 10005", "[CARD]"),
    ("卡号6222021234567890128", "卡号[CARD]"),
    ("银行卡 6222 0212 3456 7890 128", "银行卡 [CARD]"),
    ("账号：110060149018000012345", "账号：[CARD]"),
    ("account number 12345678", "account number [CARD]"),
    ("GB82 WEST 1234 5698 7654 32", "[IBAN]"),
    ("IBAN DE89370400440532013000, BIC", "IBAN [IBAN], BIC"),
    ("FR14 2004 1010 0505 0001 3M02 606 is ours", "[IBAN] is ours"),
]

KEPT = [
    "Shares rose 5.25% to $1,234.56",
    "1,234,567,890 shares changed hands",
    "1234567890 shares changed hands",
    "成交量13812345678股",
    "营收12345678901元，同比增长5%",
    "净利润138.12亿元，1381.23亿",
    "$13812345678 in debt",
    "RMB 13812345678",
    "2024-03-15",
    "2024.03.15-2024.04.15",
    "15/03/2024 and 03-15-2024",
    "2024年3月15日10:30",
    "20240315",
    "20240315123000",
    "2023 2024 2025 2026",
    "earnings call 2024-2025",
    "call on 20240315",
    "600519.SH and 0700.HK",
    "600519 000858 300750",
    "00700 09988 03690",
    "01810 02015 09868",
    "0388 0939 1398 0941",
    "00386 00857 00883",
    "09871.HK",
    "US0378331005",
    "DE0007164600 and CNE100000296",
    "US5949181045 2024",
    "10.1038/s41586-020-2649-2",
    "doi 10.1145/3292500.3330701",
    "https://twitter.com/a/status/1234567890123456789",
    "https://a.com/13812345678?x=212-555-0123",
    "weibo.com/1234567890/13812345678",
    "tweet 1234567890123456789",
    "466712345678901234",
    "1700000000 and 1700000000000",
    "0.1234567 0.7654321",
    "3.14159265358979",
    "+5.25% -3.10% +12.75%",
    "+12.50 +13.20 +14.75",
    "1.234.567.890 euros",
    "1 234 567 890 dollars",
    "open 10.50 high 11.20 low 10.10 close 10.95",
    "250 300 2024 1000",
    "ISBN 978-3-16-148410-0",
    "version 4.3.0.20240315",
    "12:30-14:00",
    "CUSIP 037833100",
    "SKU-12345678 and X-2125550123",
    "LEI 5493001KJTIIGC8Y1R12",
    "0x1234567890abcdef",
    "@user_13812345678 #13812345678",
    "$600519 ¥1234567890",
    "邮件至@平安银行 不是邮箱",
    "meet @ 5.30pm",
    "沪指报3245.67点，深成指报10987.65点",
    "S1234567A and A123456(4) and A123456780",
    "1234 5678 9012 3456",
    "4111 1111 1111 1112",
    "Boeing 737-800 and A320-200",
    "[PHONE] [EMAIL] [ID]",
    "",
]


@pytest.mark.parametrize(("raw", "expected"), MASKED)
def test_personal_data_goes(raw: str, expected: str) -> None:
    text = clean("", raw).text
    assert mask(text) == expected
    assert mask(expected) == expected


@pytest.mark.parametrize("text", KEPT)
def test_other_numbers_stay(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize(
    ("text", "title_end", "expected", "expected_end"),
    [
        ("Call 212-555-0123\nor a@b.com", 17, "Call [PHONE]\nor [EMAIL]", 12),
        ("Title\ncall 212-555-0123", 5, "Title\ncall [PHONE]", 5),
        ("a@b.com and more", 3, "[EMAIL] and more", 7),
        ("13812345678\n13812345678", 11, "[PHONE]\n[PHONE]", 7),
        ("no data", 2, "no data", 2),
        ("a@b.com a@b.com x", 15, "[EMAIL] [EMAIL] x", 15),
    ],
)
def test_the_end_of_the_title_moves_along(text: str, title_end: int, expected: str, expected_end: int) -> None:
    assert mask_document(text, title_end) == (expected, expected_end)


NUMBERS = st.lists(st.sampled_from("0123456789 -.()+@/,AGBX电话\n"), max_size=60).map("".join)


@settings(max_examples=300, deadline=None)
@given(NUMBERS, st.integers(0, 60))
def test_what_was_masked_stays_masked(text: str, title_end: int) -> None:
    title_end = min(title_end, len(text))
    masked, end = mask_document(text, title_end)
    assert masked == mask(text)
    assert 0 <= end <= len(masked)
    if "[" not in masked:
        assert (masked, end) == (text, title_end)


@pytest.mark.parametrize(
    "piece", ["1", "1 ", "a@", "a.", "a@b.", "+1 ", "(1", "1.1-", "AB12 ", "12345678 ", "电话1234567 "]
)
def test_a_long_text_is_no_trouble(piece: str) -> None:
    assert mask(piece * (200_000 // len(piece)))
