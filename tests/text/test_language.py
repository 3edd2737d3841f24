"""Language identification on short texts written for this test: headlines, posts and fragments."""

from __future__ import annotations

import pytest

from voxpop.records import Language
from voxpop.text.language import detect

ENGLISH = """\
Shares of the airline fell sharply after the crash report
Acme beats estimates, raises full-year guidance
Regulator fines lender over money laundering failures
$TSLA to the moon!!! not selling a single share
RT @trader: this chart looks awful, I am out
Oil slips as OPEC keeps output steady
Who approved this merger? Nobody asked the shareholders
Widget maker recalls 40,000 heaters
Nestlé and L'Oréal shares edge higher in Zürich trading
Tencent (腾讯) reports its slowest growth in a decade
customer service is a joke, closed my account today
Earnings call at 5pm
Bitcoin hits record high
CEO steps down amid harassment probe
Union votes to strike at the Rotterdam terminal
FDA rejects new Alzheimer's drug
Q3 revenue up 12% on cloud demand
BREAKING: police raid offices of payment firm
Is it just me or is the app down again
Buy the dip, they said
$AAPL $MSFT $GOOG
Short squeeze incoming $GME
Data breach exposes millions of passport numbers
Profit warning sends retailer tumbling
UPDATE 2-Steelmaker to cut 3,000 jobs in Europe
I love my new phone but the battery dies by noon
Central bank holds rates, signals two cuts next year
lol
Moody's downgrades Brazilian miner to junk
Great quarter, great management, ridiculous valuation
Hedge fund discloses stake in Société Générale
They lied to us about the accident
Dividend declared
Fed minutes 2pm ET
Supply chain woes ease, says Volkswagen's finance chief
Company denies liquidity rumours""".splitlines()

CHINESE = """\
公司股价今日大跌，投资者纷纷抛售
贵州茅台发布年报，净利润同比增长15%
央行宣布降准0.5个百分点
苹果 Apple Inc. 发布 iPhone 17，Pro Max 起售价不变
这家公司的客服太差了，再也不买了
涨停！
$比亚迪(SZ002594)$ 主力资金净流入3亿元
监管部门对该行罚款两千万元
特斯拉CEO马斯克访华
传闻某房企资金链断裂，公司紧急辟谣
A股三大指数集体收跌
港股恒生科技指数涨2%
JMP Securities下调Adobe评级
工人抗议拖欠工资
數據外洩影響三百萬名用戶
台積電第三季營收創新高
公司否認財務造假傳聞
聯準會維持利率不變
香港交易所宣佈新規則
董事長涉嫌內線交易被約談
大股東減持百分之五股份
新車召回四萬輛，因剎車失靈
转发微博
利好
药品抽检不合格，被责令召回
他们说一切正常，我不信
业绩预告：预亏10亿至12亿
鲜の每日奶茶店完成融资
裁员30%？内部人士：不属实
高管被警方带走调查
今天满仓干了
新能源汽车销量再创新高
航班取消，退款遥遥无期
GDP增速放缓至4.8%
这波行情能走多远
碧桂园债务重组方案获通过""".splitlines()

OTHERS = """\
トヨタ自動車、第2四半期の純利益は前年同期比で増加
日経平均は続落、円高を嫌気
この会社の株は買いですか
ソニーが新型ゲーム機を発表
삼성전자 3분기 영업이익 급감
코스피 하락 마감, 외국인 매도세
Сбербанк отчитался о рекордной прибыли
Акции Газпрома упали на пять процентов
Рубль слабеет к доллару
أرباح أرامكو ترتفع في الربع الثالث
البورصة السعودية تغلق على انخفاض
מניות הבנקים עלו היום
ธนาคารกลางคงอัตราดอกเบี้ย
टाटा मोटर्स के शेयर गिरे
Η τράπεζα ανακοίνωσε κέρδη
Акціі банку зросли
Die Aktie des Autobauers bricht nach der Gewinnwarnung ein
Siemens steigert den Umsatz und hebt die Prognose an
Der Vorstand tritt wegen der Affäre zurück
Deutsche Bank baut weitere Stellen ab
Kunden klagen über Ausfälle beim Online-Banking
Le bénéfice net du groupe recule de 12 % au troisième trimestre
Renault rappelle 40 000 voitures pour un défaut de freins
La Bourse de Paris termine en hausse
Les salariés sont en grève depuis lundi
L'action chute après la démission du directeur
Las acciones de la petrolera caen tras la denuncia
El banco central mantiene los tipos de interés
La empresa niega los rumores sobre su liquidez
Sube la inflación y baja el consumo
Clientes furiosos por la caída de la aplicación
Lucro da Petrobras cai no trimestre
Ações do banco sobem após resultado
A empresa não comentou o vazamento de dados
Bolsa fecha em alta com alívio no exterior
Il titolo crolla in Borsa dopo l'inchiesta
L'utile netto della banca sale del 20%
La società smentisce le voci di fusione
Winst van de bank stijgt door hogere rente
Aandelen dalen na winstwaarschuwing
Het bedrijf ontkent de beschuldigingen
Saham perusahaan itu turun tajam hari ini
Laba bersih bank naik pada kuartal ketiga
Harga minyak turun karena pasokan melimpah
Pekerja mogok menuntut kenaikan upah
Cổ phiếu ngân hàng giảm mạnh phiên sáng nay
Lợi nhuận quý ba của tập đoàn tăng 20%
Vụ rò rỉ dữ liệu ảnh hưởng hàng triệu khách hàng
Şirketin hisseleri yüzde beş düştü
Merkez bankası faizi sabit tuttu
Zysk spółki spadł po słabym kwartale
Kurs akcji banku rośnie
Bolagets aktie föll efter rapporten
Banken sänker räntan och varnar för svag tillväxt
Aksjen stiger etter at resultatet ble bedre enn ventet
Yhtiön osake laski tulosvaroituksen jälkeen
Akcie banky po zprávě klesly
A bank részvényei estek a jelentés után
Acțiunile băncii au scăzut după raport
Bumaba ang presyo ng langis ngayong linggo""".splitlines()

SETS: list[tuple[Language, list[str]]] = [("en", ENGLISH), ("zh", CHINESE), ("other", OTHERS)]


def test_short_texts(capsys: pytest.CaptureFixture[str]) -> None:
    cases = [(text, language) for language, texts in SETS for text in texts]
    wrong = [(text, language) for text, language in cases if detect(text) != language]
    accuracy = 1 - len(wrong) / len(cases)
    with capsys.disabled():
        print(f"\nlanguage: accuracy {accuracy:.3f} on {len(cases)} short texts; wrong: {wrong}")
    assert len(cases) >= 120
    assert accuracy >= 0.95


@pytest.mark.parametrize(
    ("text", "hint", "language"),
    [
        ("$TSLA 230", "en", "en"),
        ("Kurs", "de", "other"),
        ("東京株式市場 続落", "ja", "other"),
        ("東京株式市場", "zh-CN", "zh"),
        ("🚀🚀🚀", "en-US", "en"),
        ("🚀🚀🚀", None, "other"),
        ("！！！", None, "zh"),
        ("", None, "en"),
        ("", "zh", "zh"),
        ("The shares of the company fell on Monday", "de", "en"),
        ("公司股价大跌", "en", "zh"),
        ("https://t.co/abc", "en", "en"),
    ],
)
def test_a_hint_decides_what_the_text_leaves_open(text: str, hint: str | None, language: Language) -> None:
    assert detect(text, hint) == language


@pytest.mark.parametrize("piece", ["a", "中", "the ", "あ", "$A", "http://", "é", " "])
def test_a_long_text_is_no_trouble(piece: str) -> None:
    assert detect(piece * 500_000) in ("en", "zh", "other")
