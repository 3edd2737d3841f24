"""Words that decide whether two nearly equal texts tell the same news: what is opposed, what names, what happens.

Every word is a normalised one (see :func:`voxpop.text.stories.normalise`). Chinese is compared by single characters and
by the names and events written out below.
"""

from __future__ import annotations

import re


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _inflected(word: str) -> set[str]:
    """Regular English forms of a base form; some that nobody says do no harm."""
    stem = word[:-1] if word.endswith("e") else word
    forms = {word, word + "s", word + "es", stem + "ed", stem + "ing", stem + "er", stem + "ers"}
    if word[-1] not in "aeiouwxy" and word[-2:-1] in tuple("aeiou"):
        forms |= {word + word[-1] + "ed", word + word[-1] + "ing"}
    if word.endswith("y"):
        forms |= {word[:-1] + "ies", word[:-1] + "ied"}
    return forms


def _forms(words: str) -> frozenset[str]:
    return frozenset(form for word in words.split() for form in _inflected(word))


# --- opposed words: two texts that differ in the sides of one axis tell opposite things ------------------------------

_AXES = (
    (
        "rise rose risen gain jump surge soar climb rally up higher increase grow grew growth raise hike lift boost"
        " advance rebound recover recovery expand widen top exceed accelerate strong stronger more above high record",
        "fall fell fallen drop slump plunge tumble slide slid sink sank down lower low decrease decline shrink shrank"
        " cut slash trim reduce retreat lose lost shed narrow dip crash collapse slow weak weaker less below weaken",
    ),
    ("beat top exceed surpass", "miss lag undershoot trail"),
    (
        "upgrade overweight outperform bullish buy long accumulate",
        "downgrade underweight underperform bearish sell short",
    ),
    ("profit profitable surplus", "loss losses lossmaking deficit"),
    (
        "confirm admit acknowledge accept approve back support clear allow permit",
        "deny denied refute reject oppose block",
    ),
    ("allow uphold grant win", "dismiss overturn veto ban bar"),
    ("win won", "lose lost"),
    ("hire recruit appoint name join", "fire dismiss sack quit resign leave left oust lay layoff"),
    ("launch start begin began open reopen resume restart", "halt stop end close shut suspend cancel delay postpone"),
    ("buy bought acquire purchase", "sell sold divest offload"),
    ("succeed success pass", "fail failed failure"),
    ("good best positive optimistic", "bad worst negative pessimistic"),
    ("arrest detain jail charge convict", "release free acquit clear exonerate"),
    ("join enter", "exit leave withdraw"),
    ("add create", "remove scrap eliminate"),
    ("settle", "sue"),
    ("stable affirm", "negative unstable"),
    ("paid paying", "free unpaid"),
    ("major full", "minor partial"),
    ("before", "after"),
    ("first", "last"),
    ("inflow", "outflow"),
    ("ease", "tighten"),
    ("safe legal", "unsafe illegal"),
    # Chinese, by the character
    ("涨 漲 升 增 高 加 上 扩 擴 强 強 多 超", "跌 降 减 減 低 下 缩 縮 弱 少 挫 亏 不"),
    ("买 買 入 增 收", "卖 賣 出 减 減"),
    ("盈 赚 賺 利", "亏 虧 赔 賠 损"),
    ("好 多 牛", "空 坏 淡 熊 衰"),
    ("承 属 實 实 证", "否 谣 謠 虚"),
    ("胜 勝 赢 贏", "败 敗 输 輸"),
    ("复 復 启 啟 开 開", "停 终 終 止 闭 閉 关 關"),
    ("批 准 通 同", "驳 駁 否 拒 反"),
    ("成", "失 未"),
    ("聘 任", "辞 辭 离 免 撤"),
    ("捕 拘 抓", "释 釋 放 无"),
)


def _polarity() -> dict[str, tuple[tuple[int, int], ...]]:
    sides: dict[str, set[tuple[int, int]]] = {}
    for axis, opposites in enumerate(_AXES):
        for sign, words in zip((1, -1), opposites, strict=True):
            for form in _forms(words) if words.isascii() else words.split():
                sides.setdefault(form, set()).add((axis, sign))
    return {word: tuple(sorted(pairs)) for word, pairs in sides.items()}


POLARITY = _polarity()
"""Word to its (axis, side) pairs, the side being 1 or -1."""

NEGATORS = _set(
    "not no never without cannot wont isnt arent wasnt didnt doesnt dont hasnt havent couldnt wouldnt shouldnt"
) | _forms("deny denied refute reject")
NEGATORS_ZH = re.compile("不|未|没|沒|无|無|非|否认|否認|辟谣|闢謠|不实|澄清|虚假")

# --- names -----------------------------------------------------------------------------------------------------------

NAMES = _set(
    "apple target gap visa shell ford block meta oracle intel nike square general electric delta united southwest"
    " coach chase wells fargo citi best macy tesla google alphabet amazon microsoft netflix nvidia boeing airbus china"
    " us usa uk america japan germany india france europe russia brazil canada mexico britain london york tokyo beijing"
    " shanghai american chinese japanese german indian french european russian british korean iphone ipad android"
    " windows ios twitter facebook instagram whatsapp youtube tiktok ing bp gm ge hp ubs axa ups ibm amd att citi sap"
    " lg bt rbc january february march april june july august september october november december"
)
"""Names that are also words, end like words, or are too short to look like names."""

NAMES_ZH = re.compile(
    "茅台|五粮液|泸州老窖|洋河|汾酒|腾讯|騰訊|阿里|百度|京东|美团|小米|华为|比亚迪|宁德时代|拼多多|网易|快手|"
    "字节|理想汽车|蔚来|小鹏|特斯拉|苹果|谷歌|微软|亚马逊|英伟达|台积电|台積電|中芯|联想|格力|美的|海尔|万科|"
    "恒大|碧桂园|融创|保利|招商|平安|人寿|太保|人保|新华保险|工商|工行|农业银行|农行|建设银行|建行|中国银行|"
    "中行|交通银行|交行|招行|浦发|兴业|民生|中信|光大|华夏|广发|中石油|中石化|中国石油|中国石化|中海油|移动|"
    "联通|电信|国航|南航|东航|海航|吉利|长城|长安|上汽|广汽|北汽|一汽|伊利|蒙牛|三一|中联|紫金|海螺|恒瑞|药明|"
    "隆基|通威|迈瑞|京东方|立讯|中兴|国泰|海通|东方财富|沪指|深成指|创业板|科创板|恒指|道指|纳指|标普|美元|欧元|"
    "日元|人民币|原油|黄金|比特币|以太坊|上海|深圳|北京|广州|香港|美国|日本|欧洲|英国|德国|印度|韩国|法国|俄罗斯|"
    "董事长|总经理|总裁|监事|董秘|财务总监|周[一二三四五六日]|星期[一二三四五六日]"
)
SUFFIXES_ZH = re.compile(
    "银行|銀行|证券|證券|股份|集团|集團|科技|汽车|汽車|保险|保險|医药|醫藥|基金|航空|电力|地产|石油|石化|能源|"
    "食品|电子|電子|通信|软件|生物|药业|重工|电器|控股|资本|实业|化工"
)
NEUTRAL_OPENERS_ZH = re.compile(
    "今日|昨日|今天|昨天|公司|消息|据悉|最新|刚刚|突发|快讯|重磅|近日|日前|本周|独家|关注|该公司|市场|记者|媒体"
)

COMMON = _forms(
    "a an the of and or to in on at by for from with as into over under amid after before against between during about"
    " than then that this these those it its they their he his she her we our you your i my me who what when where why"
    " how which is are was were be been being am do does did done have has had will would could should can may might"
    " must not no yes if but so because while although though also still yet already just only even more most much"
    " many few less least very too all any some each every both other another new old big small large great good bad"
    " best better worse worst high low long short early late first second third last next past recent current former"
    " top key major minor main global local national foreign domestic public private free full half double triple total"
    " net gross own say said tell told report announce state claim warn expect see saw seen look find found think know"
    " make made take took give gave get got go went gone come came put set let keep kept hold held face meet met bring"
    " brought paid buy sell trade invest spend spent cost earn win lose cut add use try call ask need want work plan"
    " seek aim move turn run show play help start begin end stop open close stay leave lead led join build built grow"
    " fall rise drop gain jump hit beat miss break broke push pull draw raise lower boost slump surge plunge tumble"
    " slide climb soar rally sink dip shed edge slip ease halt delay cancel suspend launch unveil release offer file"
    " sue settle probe investigate fine charge accuse deny admit confirm approve reject block back support oppose agree"
    " sign strike protest resign quit step appoint name hire fire replace oust arrest detain raid recall fix repair"
    " crash burn leak hack steal stole ban limit share stock bond market price profit loss sale revenue earning income"
    " margin dividend buyback debt loan credit cash fund bank lender company firm group maker giant business unit"
    " division brand retailer carrier airline insurer drugmaker automaker carmaker chipmaker supplier customer client"
    " user worker employee staff boss chief head executive officer director board chairman chair president founder"
    " owner investor shareholder analyst trader regulator court judge lawyer police government minister official union"
    " deal merger takeover bid stake order contract agreement partnership venture project product service app website"
    " platform system network device phone car vehicle plane truck battery chip drug vaccine trial data cloud software"
    " hardware engine plant factory store shop site office home house building city state country world region area"
    " year quarter month week day hour minute time today tomorrow yesterday morning night monday tuesday wednesday"
    " thursday friday weekend annual monthly weekly daily percent pct million billion trillion dollar euro pound yuan"
    " yen cent point rate tax tariff export import demand supply output production growth inflation economy recession"
    " crisis risk fear concern hope worry outlook forecast guidance target estimate result number figure record level"
    " value budget bill law rule policy reform case lawsuit fraud scandal breach attack accident death injury safety"
    " security privacy quality issue problem fault defect flaw news story statement letter note memo email video photo"
    " interview source people person man woman men women child family friend team member part side line way thing idea"
    " view step change shift effect impact reason sign chance right wrong true false real fake likely sharply slightly"
    " nearly almost around roughly again once twice ahead behind up down out off near far away here there now later"
    " soon never always often ever well hard fast slow strong weak wide narrow deep flat steady stable volatile cheap"
    " expensive rich poor happy angry furious upset worried surprise shock unexpected huge massive sharp modest slight"
    " steep swift quick rapid gradual heavy light hot cold cool oil gas gold silver copper steel coal power energy"
    " food drink coffee fuel electric digital mobile online smart internet tech technology media social travel hotel"
    " restaurant health medical hospital school education defense auto watch read wait love hate like feel enough per"
    " via despite since until within without across along upon rumor rumour denial payment account card fee refund"
    " ticket flight delivery package wage salary bonus pension job layoff labor labour talk negotiation vote meeting"
    " conference event launch test study survey research maybe perhaps indeed therefore thus however meanwhile"
)
_WORDLIKE = re.compile(
    r".{3,}(?:ing|ed|ly|tion|sion|ment|ness|ity|ive|ous|able|ible|ful|less|ship|ance|ence|ism|ure|ation)s?$"
)


def is_name(word: str) -> bool:
    """Whether a normalised Latin word looks like a name: in the list, or neither common nor built like a word."""
    if word in NAMES:
        return True
    return word.isascii() and word.isalpha() and word not in COMMON and not _WORDLIKE.match(word)


# --- what happens ----------------------------------------------------------------------------------------------------

_EVENTS = (
    "earning result profit revenue sale|dividend payout|buyback repurchase|recall|lawsuit suit sue litigation|"
    "probe investigation investigate inquiry|fine penalty|strike walkout|layoff redundancy|merger takeover acquisition|"
    "bankruptcy insolvency|breach hack leak cyberattack|fire blaze explosion|crash accident|resignation resign|"
    "appointment appoint|ipo listing|delisting|patent|battery|brake|airbag|tax|antitrust monopoly|bribery corruption|"
    "discrimination harassment|guidance forecast outlook|upgrade|downgrade|outage|partnership|contract|launch|delay|"
    "privacy|pollution spill|debt bond|loan|stake|split|tariff|wage pay salary|shortage|death|arrest"
)
EVENTS = {form: group for group, words in enumerate(_EVENTS.split("|")) for form in _forms(words)}
"""Word to the kind of event it names."""

EVENTS_ZH = re.compile(
    "(?P<results>财报|年报|季报|业绩|净利润|营收)|(?P<recall>召回)|(?P<suit>诉讼|起诉|被诉)|(?P<probe>立案|调查|问询)|"
    "(?P<fine>罚款|处罚)|(?P<strike>罢工)|(?P<layoff>裁员)|(?P<merger>收购|并购|重组)|(?P<dividend>分红|派息)|"
    "(?P<buyback>回购)|(?P<breach>泄露|泄漏|外泄)|(?P<fire>火灾|爆炸)|(?P<bankrupt>破产|清算)|(?P<listing>上市)|"
    "(?P<delist>退市)|(?P<reduce>减持)|(?P<increase>增持)|(?P<resign>辞职|离职)|(?P<arrest>被捕|被拘|带走)|"
    "(?P<pledge>质押)|(?P<default>违约|逾期)|(?P<outage>宕机|故障)|(?P<placing>定增|配股)|(?P<freeze>冻结)|"
    "(?P<patent>专利)|(?P<order>中标|订单|合同)|(?P<dearer>涨价|提价)|(?P<cheaper>降价)|(?P<open>开业|投产)|"
    "(?P<stop>停产|停业)|(?P<brakes>刹车|制动)|(?P<battery>电池)|(?P<steering>转向)|(?P<airbag>气囊)|(?P<suspend>停牌)|(?P<resume>复牌)"
)

# --- numbers written as words ----------------------------------------------------------------------------------------

_DIGITS = (
    "zero 零 〇|one first 一 首|two second 二 两 兩|three third 三|four fourth 四|five fifth 五|six sixth 六|"
    "seven seventh 七|eight eighth 八|nine ninth 九|ten tenth 十|eleven|twelve"
)
NUMBERS = {word: str(value) for value, words in enumerate(_DIGITS.split("|")) for word in words.split()} | {
    word: value
    for value, words in {
        "e2": "hundred 百", "e3": "thousand 千", "e4": "万 萬", "e6": "million mln mn m", "e8": "亿 億",
        "e9": "billion bln bn b", "e12": "trillion tn", "half": "half 半", "mon": "monday", "tue": "tuesday",
        "wed": "wednesday", "thu": "thursday", "fri": "friday", "sat": "saturday", "sun": "sunday", "jan": "january",
        "feb": "february", "apr": "april", "jun": "june", "jul": "july", "aug": "august", "sep": "september",
        "oct": "october", "nov": "november", "dec": "december",
    }.items()
    for word in words.split()
}  # fmt: skip
"""Number words, magnitudes, weekdays and months: in aligned places they disagree as digits do."""

# --- what is so common that it says nothing about which story it is --------------------------------------------------

STOP = _set(
    "the a an of and or to in on at by for from with as is are was were be been being it its this that after over amid"
    " has have had will not but he she they we you i his her their our your said says say s t u us up down new more"
    " than about into out who which what when one two year years percent pct shares share stock stocks company inc"
    " corp ltd co market million billion would could can may all also if so just per via no do rt amp"
) | frozenset(
    "的一是在不了有和人这中大为上个国我以要他时来用们到作地于出就分对成会可主年动同也能下过说而面方后多定行所"
    "及与其之等被从由将已并但或更最又再因此些该各每又向前月日元万亿股司公市场涨跌投资者报价业银净利营收增长高低"
    "這個為來們對會說後與從將於並發產業動時過還沒開關"
)
