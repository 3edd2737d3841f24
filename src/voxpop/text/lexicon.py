"""What is known about words: which names are words too, what gives such a name away, and where Chinese words end.

The word lists are data (``data/ambiguous_names.txt``, ``data/common_words_zh.txt``); the words that speak of business
in general stand here, because the weights in :mod:`voxpop.text.context` belong to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Cues:
    """The company that a name keeps when it is only a word: just before it, just after it, anywhere near."""

    before: frozenset[str] = NOTHING
    after: frozenset[str] = NOTHING
    near: frozenset[str] = NOTHING


NO_CUES = Cues()


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The shipped lists. ``words`` need support; ``mostly`` of them need less."""

    words: frozenset[str]
    mostly: frozenset[str]
    cues: dict[str, Cues]
    pairs: frozenset[str]
    """Chinese words of two characters."""
    source: str
    """The lists as read, for a digest."""


@cache
def lexicon() -> Lexicon:
    """The shipped lists, read once."""
    folder = files("voxpop") / "data"
    names = (folder / "ambiguous_names.txt").read_text("utf-8")
    pairs = (folder / "common_words_zh.txt").read_text("utf-8")
    words: set[str] = set()
    mostly: set[str] = set()
    cues: dict[str, Cues] = {}
    for line in _lines(names):
        tokens = line.split()
        if tokens[0] == "+":
            mostly.update(tokens[1:])
        elif any(token in _MARKS for token in tokens):
            cues[tokens[0]] = _cues(tokens[1:])
            words.add(tokens[0])
        else:
            words.update(tokens)
    return Lexicon(
        frozenset(words | mostly), frozenset(mostly), cues, frozenset(" ".join(_lines(pairs)).split()), names + pairs
    )


_MARKS = {"<": 0, ">": 1, "~": 2}


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _cues(tokens: list[str]) -> Cues:
    sides: tuple[set[str], set[str], set[str]] = (set(), set(), set())
    side = 0
    for token in tokens:
        if token in _MARKS:
            side = _MARKS[token]
        else:
            sides[side].add(token.replace("_", " "))
    return Cues(*map(frozenset, sides))


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _verbs(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Base forms, and third persons (with pasts that end in -ed where the base does not change)."""
    base = text.split()
    third = {_third(verb) for verb in base}
    return frozenset(base), frozenset(third)


def _third(verb: str) -> str:
    if verb.endswith(("s", "sh", "ch", "x", "z", "o")):
        return verb + "es"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + "s"


# --- business English ------------------------------------------------------------------------------------------------

VERBS, THIRD_PERSONS = _verbs(
    "say report post unveil launch beat miss raise cut recall file plan agree buy acquire sue name hire warn slip jump"
    " surge fall tumble gain expect announce sell close open invest spend face pay lose win settle offer seek trim lift"
    " boost delay halt suspend resume expand slash lay add hit drop climb soar plunge rally sink rise slide sign join"
    " partner move start stop end begin build test roll pull push return reveal show see forecast predict guide top"
    " exceed deny admit confirm reject appeal fine ask tell urge ban charge issue price list delist merge split spin"
    " retire replace appoint oust fire promote shut idle restart cancel remove update upgrade downgrade ship deliver"
    " make take give get keep hold bring set aim bet target eye mull consider explore weigh near extend renew drop ditch"
    " swing turn narrow widen outperform underperform lag lead trade reach report restructure refinance borrow raise"
    " redeem repurchase reaffirm withdraw suspend disclose defend apologise apologize respond blame accuse allege flag"
    " post swell disappoint rebound recover edge inch pop dip overhaul revamp reorganise reorganize introduce debut"
    " roll rename rebrand relocate poach recruit furlough strike bid outbid win lose exit enter quit leave abandon scrap"
    " drop retool double triple halve quadruple want need remain become continue stay look work use let have do face"
)
PASTS = _words(
    "said reported posted unveiled launched missed raised recalled filed planned agreed bought acquired sued named hired"
    " warned slipped jumped surged fell tumbled gained expected announced sold invested spent paid lost won settled"
    " offered sought trimmed lifted boosted delayed halted suspended resumed expanded slashed laid added dropped climbed"
    " soared plunged rallied sank rose slid signed joined partnered told denied admitted confirmed appealed fired"
    " appointed ousted promoted shut idled cancelled canceled upgraded downgraded shipped delivered took gave brought"
    " bet mulled extended renewed disclosed apologised apologized responded rebounded recovered scrapped quit exited"
    " doubled tripled halved has will is plc"
)
BUSINESS = _words(
    "shares share stock stocks earnings results revenue revenues profit profits sales ceo cfo coo chief chairman"
    " chairwoman executive executives boss founder co-founder president board directors shareholders shareholder"
    " investors investor holders management employees workers staff baristas engineers managers spokesman spokeswoman"
    " spokesperson inc corp corporation co company ltd plc group holdings ag sa se nv spa ab store stores outlet outlets"
    " bookings plant plants factory factories deliveries unit subsidiary division dividend buyback guidance outlook"
    " forecast margins valuation ipo bonds debt quarter quarterly q1 q2 q3 q4 calls puts options analysts customers"
    " stake takeover bid deal merger acquisition lawsuit layoffs website app platform cloud products brand headquarters"
    " hq pay music watch tv card cards prime flight flights pilots passengers recall dealers dealerships dealer"
)
NEARBY = BUSINESS | _words(
    "analyst billion million bn % nasdaq nyse ftse dow nikkei upgrade upgraded downgrade downgraded raised beats misses"
    " estimates expectations consensus eps ebitda premarket after-hours bullish bearish trading traders market markets"
    " quarterly fiscal annual results reported costs tariffs tariff antitrust regulators regulator sec ftc cma acquire"
    " acquisition competitor competitors rival rivals sector industry jobs layoffs cuts pt overweight underweight rated"
    " bought sold holding portfolio position long short chart breakout support resistance dip rally etf hedge fund"
    " ceo revenue retailer chain supplier suppliers manufacturer utility insurer subsidiary listed investors shareholder"
    " downgrades upgrades bidders bidding strategy firm corporate consumers subscribers brokerage"
)
COMPANY_BEFORE = _words(
    "retailer chipmaker carmaker automaker insurer utility bank lender carrier operator maker giant rival company firm"
    " group designer supplier manufacturer developer brand platform airline drugmaker brewer miner broker telco retailer's"
    " shareholder competitor peer chain stock shares conglomerate startup owner parent subsidiary unit upgrades"
    " downgrades retailers provider processor network stocks names heavyweight behemoth major producer explorer long"
    " short buying selling sued acquire acquires acquired buys ceo chairman"
)
TRADES = _words(
    "long short buy buying bought sell selling sold hold holding own added adding trimmed watching play calls puts"
)
DETERMINERS = _words(
    "a an the this that these those every each no any some my his her our your their its another one two three four"
    " five six seven eight nine ten many several few more most such other"
)
TITLES = _words(
    "mr mrs ms dr sir prof president senator governor gov king queen prince princess saint st captain lord lady"
)

SECTORS: dict[str, frozenset[str]] = {
    "tech": _words(
        "iphone ipad mac ios app apps laptop laptops devices smartphone chip chips ai software cook printers pc pcs"
    ),
    "semicond": _words("chip chips chipmaker gpu fab wafer foundry processors semiconductor ai designs"),
    "software": _words("cloud software ai saas enterprise database backlog subscription customers data"),
    "internet": _words(
        "ad ads advertising users instagram whatsapp zuckerberg ai daily search e-commerce app social feed"
    ),
    "media": _words("streaming subscribers studio box office parks theme movies tv"),
    "telecom": _words("fibre fiber 5g subscribers broadband spectrum wireless mobile towers carrier roaming"),
    "pay": _words("payments card cards swipe merchants interchange fees debit credit cash bitcoin fintech checkout"),
    "bank": _words("loans deposits lender credit branches mortgage trading wall street capital banker bankers"),
    "insur": _words("premiums claims underwriting insurer policyholders catastrophe wildfire auto asia kong"),
    "financ": _words("brokerage trading assets fund funds crypto users app"),
    "energy": _words("oil crude gas refinery lng drilling barrels upstream wells refining wind offshore pipeline"),
    "util": _words(
        "power grid rate electricity coal reactor nuclear wind turbines outage utility regulators customers"
    ),
    "pharma": _words("drug drugs fda trial vaccine patients patent therapy pill dose obesity biotech shot"),
    "health": _words("patients device devices insurer glucose hospital diagnostics medicare"),
    "food": _words("snack brands sugar cereals groceries recalls pricing volumes beverage"),
    "consumer": _words("sneaker sneakers brand apparel brands sportswear toothpaste resin retailers"),
    "retail": _words(
        "store stores shoppers comparable same-store holiday clothing merchandise apparel chain checkout aisle"
    ),
    "auto": _words(
        "electric ev evs pickup pickups suv recall plant uaw vehicles trucks deliveries dealers tyre hybrid car"
    ),
    "airline": _words("flights flight hub airline passengers pilots baggage checked bag bags fares fare jets"),
    "travel": _words("cruise bookings hotel hotels guests rooms room travel ships booking"),
    "transport": _words("freight rail ride drivers cargo packages trucks"),
    "logist": _words("packages parcel parcels delivery freight teamsters drivers warehouse buildings"),
    "aero": _words("jet jets engine engines defence defense pentagon contract missiles exports aircraft"),
    "indust": _words("orders turbines machines equipment tariffs spin aerospace backlog"),
    "mater": _words("mine ore copper steel chemicals lithium gold plants aluminium aluminum cement"),
    "estate": _words("developer homes mall malls rents reit creditors offshore bonds"),
    "gaming": _words("casino macau gamblers resort gaming"),
    "solar": _words("solar panels modules polysilicon"),
    "liquor": _words("baijiu beer liquor brewer wine"),
}
"""Words of a trade, by the beginning of the sector's name."""

# --- business Chinese ------------------------------------------------------------------------------------------------

AFTER_ZH: tuple[str, ...] = tuple(
    "股价 股份 公司 集团 财报 发布 宣布 旗下 回应 拟 董事 CEO ceo 总裁 销量 上市 召回 裁员 股东 股票 董秘 季度 一季 二季 三季"
    " 四季 第一季 第二季 第三季 第四季 前三季 上半年 半年 中报 年报 季报 净利 营收 业绩 汽车 手机 银行 保险 证券 市值 高管 工厂"
    " 员工 门店 债券 债务 估值 新能源 将 拿地 收购 增持 减持 回购 分红 涨 跌 大涨 大跌 暴跌 暴涨 盘前 盘中 早盘 午后 尾盘 高开 低开"
    " 首发 推出 计划 否认 澄清 起诉 被罚 被查 被立案 获 中标 签约 投资 融资 控股 概念 产业链 供应链 研发 云 系 电商 外卖 官方 客服"
    " 创始人 董事长 行长 总经理 实控人 管理层 的股价 的财报 的业绩 的股票 的销量 的市值 的估值 在华 全年 全球 召开 上调 下调 交付 产能"
    " 新品 新款 新车 旗舰 专卖店 售后 门店 空调 出口 零售 租赁 中国 内部 前三季度 一度 再 正式 携手 联手 入股 参股 出售 转让 接盘"
    " SUV SU7 YU7 i8 L9 CEO与 8月 9月 7月 6月 5月 4月 3月 2月 1月 10月 11月 12月 目前".split()
)
BEFORE_ZH: tuple[str, ...] = tuple(
    "满仓 买入 卖出 持有 看好 抄底 加仓 减仓 做空 做多 清仓 重仓 买了 卖了 持仓 割肉 套牢 巨头 厂商 车企 券商 险企 房企 龙头 收购 入股"
    " 起诉 投资 关注 对手 供应商 股东 车商 公司 跟投 调研 增持 减持 投诉 曝光 约谈 处罚 罚款 电商平台 手机厂商".split()
)
NEARBY_ZH: tuple[str, ...] = tuple(
    "股价 股票 股东 财报 营收 净利 利润 亏损 业绩 季度 同比 环比 市值 公司 集团 上市 融资 收购 回购 分红 减持 增持 评级 目标价 研报 券商 投资者"
    " 涨停 跌停 大涨 大跌 高开 低开 盘前 盘后 港股 美股 A股 概念股 板块 亿元 亿美元 万辆 交付 销量 销售额 订单 产能 裁员 召回 董事 CEO 高管 首席 负责人"
    " 员工 消费者 投诉 监管 处罚 反垄断 起诉 债券 债权人 债务 展期 重组 评级 价格战 发布会 新品 门店 市场份额 出货 毛利率 估值 港元 重仓 持仓 仓位 抄底 割肉 涨超 跌超"
    " 涨逾 跌逾 收涨 收跌 上市公司 子公司 关税 供应链 竞争 巨头 旗舰 售价 发售 起售价 行业 披露 董秘 公告 存款利率 限售".split()
)
SECTORS_ZH: dict[str, tuple[str, ...]] = {
    "tech": (
        "手机",
        "iPhone",
        "新机",
        "电脑",
        "芯片",
        "AI",
        "开发者",
        "系统",
        "库克",
        "雷军",
        "杨元庆",
        "PC",
        "平板",
        "汽车",
    ),
    "semicond": ("芯片", "晶圆", "制程", "半导体", "算力", "GPU", "股王"),
    "software": ("云", "软件", "数据库", "大模型", "OpenAI", "算力"),
    "internet": ("电商", "平台", "直播", "用户", "外卖", "广告", "游戏", "AI", "骑手", "月活", "主播", "短视频", "云"),
    "telecom": ("5G", "基站", "套餐", "运营商", "宽带", "用户"),
    "bank": ("贷款", "存款", "理财", "不良", "息差", "行长", "信用卡", "股权"),
    "insur": ("寿险", "保费", "理赔", "保单", "车险", "险资", "新业务", "代理人"),
    "securit": ("研报", "投行", "经纪", "营业部"),
    "auto": ("汽车", "新能源", "车型", "销量", "经销商", "电动", "SUV", "召回", "4S", "混动", "车主", "智驾", "增程"),
    "applian": ("空调", "家电", "冰箱", "洗衣机", "出口"),
    "consumer": ("库存", "门店", "品牌", "运动鞋", "电商"),
    "food": ("奶粉", "牛奶", "食品", "渠道", "经销商"),
    "agri": ("生猪", "养殖", "饲料", "猪价", "出栏"),
    "real": ("楼盘", "房企", "债务", "二手房", "交楼", "拿地", "经纪人", "开发商"),
    "mater": ("水泥", "矿", "锂", "铜", "钢"),
    "logist": ("快递", "包裹", "网点", "单量"),
    "energy": ("油气", "炼厂", "油价", "成品油", "LNG"),
    "indust": ("挖掘机", "工程机械", "订单", "港股"),
    "pharma": ("新药", "临床", "获批", "授权"),
    "restaur": ("门店", "餐饮", "顾客"),
}
