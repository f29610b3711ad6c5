# ruff: noqa: RUF001  # letters that look alike are what this is about
"""How much text is like that of a language: which of several readings of the same bytes makes words.

Bytes of one encoding read as letters of others too: `szőlő` of Hungarian Windows as `szõlõ` of western. Of a language
written in Latin letters the measure is the share of words that have only its letters; of Russian and Greek how regular
words are, and how frequent their letters; of Korean, Chinese and Japanese the share of characters in common use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_WORD = re.compile(r"[^\W\d_]+")
_SIGNS = "\u00a1-\u00a9\u00ab\u00ac\u00ae-\u00b4\u00b6\u00b8\u00b9\u00bb-\u00bf\u00d7\u00f7"
_SIGNS += "\u201a\u201c-\u201e\u02c6-\u02dd\u2020-\u2022\u2030-\u203a"
_LOOSE = "\u00a2\u00a4-\u00a6\u00a8\u00ac\u00ae\u00af\u00b1\u00b4\u00b6\u00b8\u00bc-\u00be\u02c7-\u02dd"
_LETTER, _ACCENT = r"[^\W\d_]", r"[^\W\d_\x00-\x7f]"
_ODD_SIGN = re.compile(f"{_LETTER}[{_SIGNS}]{_LETTER}|{_LETTER}[{_LOOSE}]|[{_LOOSE}]{_LETTER}|[\u00b0\u00bb]{_ACCENT}")
"""A sign such as `\u00b3` between two letters, or one such as `\u00b6` beside a letter; not a soft hyphen, a middle dot
or an apostrophe."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ue000-\uf8ff]")
_LATIN: Mapping[str, Sequence[str]] = {
    "cp1252": (
        "[àâæçéèêëîïôœùûüÿ]",  # French, Dutch
        "[äöüßé]",  # German
        "[áéíóúüñçàèïò\u00b7]",  # Spanish, Catalan
        "[àáâãçéêíóôúü]|õe",  # Portuguese
        "[àèéìíîòóùú]",  # Italian
        "[æøåéäöàü]",  # Danish, Norwegian, Swedish, Finnish
        "[áæéíðóöú]",  # Icelandic, without what Turkish is read as
        "[µªº]",
    ),
    "cp1254": ("[çğıöşüâîû\u0307]",),  # Turkish
    "cp1250": (
        "[ąćęłńóśźż]",  # Polish
        "[áčďéěíňóřšťúůýžäô]",  # Czech, Slovak
        "[áéíóöőúüű]",  # Hungarian
        "[âîşţ]|ă(?![aeiou])",  # Romanian
        "[čćđšž]",  # Croatian, Slovene
    ),
    "cp1257": ("[ąčęėįšųūž]", "[āčēģīķļņšūž]", "[äõöüšž]"),  # Lithuanian, Latvian, Estonian
}
_LATIN_OF = {**_LATIN, "latin2": _LATIN["cp1250"]}
_FREQUENT = {
    "cp1251": (
        re.compile("(?i:(?=.*[аеёиоуыэюяіїє]))([а-яёіїєґ]{2,}|[А-ЯЁІЇЄ]?[а-яёіїєґ]+|[А-ЯЁІЇЄ]{2,})"),
        "оеаинтсрвлкмдпуы",
    ),
    "cp1253": (
        re.compile("(?=.*[άέήίόύώ]|.{0,3}[αεηιουω].{0,3}$|[Α-Ω]+$)[Α-ΩΆ-Ώα-ωάέήίόύώ]{2,}"),
        "αοιετσνηυρπκλμόίάέή",
    ),
}
_KOREAN = (
    "가각간갈감갑값강같개거건걸검것게겨격견결경계고곡곤골공과관광교구국군굴권귀규그극근글금급기긴길김까깨꺼께꼭꽃나낙난날남내너"
    "넓네년노녹놀높누눈느는능니다단달담당대더덕던데도독돈동두둘드득든들등따때떤또라락란람랑래량러런럼레려력련렬령로록론료루류르른"
    "를름리린림립링마만많말맑망매머먹면명모목몰몸못무문물미민밀바박반받발밝방배백버번벌범법벨변별병보복본봄부북분불붉비빈빛빨사산"
    "살상새색생서석선설성세소속손송수숙순술스습승시식신실심십싸써쓰씨아악안않알암압앞애야약양어억언얼엄업없에여역연열염영예오온올옷"
    "와완왕외요용우운울움원월위유육율은을음응의이인일임입있잎자작잔잘장재저적전절점접정제조족존종좋주중증지직진질집짜째차착찬참창채"
    "책처천철청체초촌총추축출충취층치친칠침카커컵코크큰키타탁탄태터테토통투트특파판팔패페편평포표푸품풀프피필하학한할함합항해행향허험"
    "현형호혼홍화확환활황회획효후훈흑흔흰히힘"
)
_HANZI = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经"
    "么去法学如都同现当没动面起看定天分还进好小部其些主样理心本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三"
    "又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常"
    "先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件"
    "计管期市直德资命山金指许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据"
    "程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运男红蓝黄绿黑紫橙灰粉棕罩戴未异健康疾病叶斑锈龄颜标签图片编号患"
    "左右猫狗鸟鱼花树车良恶阴阳轻否幼青轮鞋衣服裤帽包土木火石田竹米豆麦稻玉棉茶草虫牛羊猪鸡照眼镜戴级无缺好坏损裂划痕测试训练验证"
    "這個們來為國說時會對過發後裡種經麼學現當沒動還進樣開從實軍無與長機關點業將兩間問應戰頭體見產話給門兒東聲員解論處義幾認條氣題"
    "變總電數報結務場計資許統區隊決馬書則聽達強難權設記類據邊張該規萬覺術領確傳師觀讓識帶導爭運紅藍黃綠齡顏標籤圖編號鳥魚樹車惡陰"
    "陽輕檔案異葉鏽貓蟲雞豬級壞損測試訓練驗證無戴鏡麥棉褲鞋輪"
)
_JAPANESE = (
    "黒緑画像番齢顔検査状態写真広対鳥猫犬魚左右男女性別年名前種類図無有正常異常葉病気良悪赤青黄白紫茶灰色大小中高低新古車花木草虫健康"
    "軽重度口目耳手足頭体眼鏡帽子靴服着用未済分類評価結果日月火水金土時間店内外東西南北京都府県市区町村"
)
_CHARACTERS = {
    "cp949": frozenset(_KOREAN),
    "gb18030": frozenset(_HANZI),
    "big5": frozenset(_HANZI),
    "cp932": frozenset(_HANZI + _JAPANESE) | {chr(code) for code in (*range(0x3041, 0x3094), *range(0x30A1, 0x30FD))},
}
_HALF_WIDTH = re.compile("[\uff66-\uff9f]{2,}")
"""Narrow Japanese letters, a byte each, as which most bytes can be read."""


_GLUED = re.compile(r"(?<=[a-z])[^\x00-\x7f]|[^\x00-\x7f](?=[a-z])")
"""What stands within a word of Latin letters, as `é` does, of which Chinese and Japanese make signs."""


def likeness(text: str, encoding: str) -> float:
    """How much text that was read from an encoding, one of `csvrecords.ENCODINGS`, is like that of a language that is
    written in it: 0 to 1, and 0.3 where all that is not ASCII is signs."""
    words = [*{word for word in _WORD.findall(text) if not word.isascii()}]
    if _CONTROL.search(text) or (encoding not in _CHARACTERS and _ODD_SIGN.search(text)):
        return 0.0
    if encoding in _CHARACTERS:
        return _in_common_use(text, encoding)
    if not words:
        return 0.3
    if encoding in _FREQUENT:
        regular, frequent = _FREQUENT[encoding]
        letters = "".join(words).lower()
        explained = sum(regular.fullmatch(word) is not None for word in words) / len(words)
        usual = 1.0 if any(word != word.upper() for word in words) else 0.7  # capitals are other letters of KOI8
        return usual * explained * sum(letter in frequent for letter in letters) / len(letters)
    accents = sum(not letter.isascii() for word in words for letter in word)
    if 2 * accents > sum(map(len, words)) + len(words):
        return 0.0
    alone = "" if encoding == "cp1252" else "{2,}"  # `à` is a word, `ą` is none
    forms = [re.compile(f"([a-z]|{letters}){alone or '+'}") for letters in _LATIN_OF[encoding]]
    lower = [word.lower() for word in words]
    return max(sum(form.fullmatch(word) is not None for word in lower) for form in forms) / len(words)


def _in_common_use(text: str, encoding: str) -> float:
    others = {letter for letter in text if not letter.isascii()}
    letters = {letter for letter in others if letter.isalpha()}
    narrow = {letter for run in _HALF_WIDTH.findall(text) for letter in run} if encoding == "cp932" else set()
    if not letters:
        return 0.0
    common = (letters & _CHARACTERS[encoding]) - ({*_GLUED.findall(text)} if encoding != "cp949" else set())
    return (len(common) + len(letters & narrow) / 2) / len(letters)
