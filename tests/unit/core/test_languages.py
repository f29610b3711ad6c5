# ruff: noqa: RUF001  # letters that look alike are what this is about
"""Of the readings of the same bytes the one that makes words is taken, and none where several do."""

import pytest

from facetwise.core.files.csvrecords import ENCODINGS, likely_encodings

TEXTS = {
    "cp1252": ["São Paulo", "gesünd", "santé", "œuf d’été", "100 µm", "n° 5", "À", "rødgrød\nblåbær", "ações", "Größe"],
    "cp949": ["가", "건강", "여자\n남자", "마스크,착용\n미착용", "잎", "서울\n부산", "불량\n양호"],
    "cp932": ["男性\n女性", "マスク,なし", "みどり", "男\n女", "ﾏｽｸ\nﾅｼ", "犬,猫", "良品\n不良品", "葉の色"],
    "gb18030": ["男\n女", "红色\n蓝色", "正常\n异常", "戴口罩", "良性\n恶性", "猫\n狗", "叶斑病\n锈病"],
    "big5": ["男\n女", "紅色\n藍色", "檔案,顏色", "正常\n異常", "左\n右", "貓\n狗"],
    "cp1250": ["żółty\nzielony", "mężczyzna", "žlutý\nčervený\nrůžový", "sárga\nzöld\nnő", "szőlő", "roşu\nalbastră"],
    "cp1251": ["красный\nсиний", "муж\nжен", "ДА\nНЕТ", "кошка", "червоний\nсиній"],
    "cp1253": ["κόκκινο\nμπλε", "χρώμα", "άνδρας\nγυναίκα"],
    "cp1254": ["kırmızı\nyeşil", "kadın\nerkek", "sağlıklı\nhasta"],
    "cp1257": ["mėlyna\nžalia", "sarkans\nzaļš"],
    "latin2": ["żółty,ślad"],
}


@pytest.mark.parametrize(("encoding", "text"), [(e, text) for e, texts in TEXTS.items() for text in texts])
def test_the_reading_that_makes_words_is_the_only_one(encoding, text):
    data = f"file,y\n{text}\n".encode(ENCODINGS[encoding])
    (likely,) = likely_encodings(data)
    assert data.decode(ENCODINGS[likely]) == f"file,y\n{text}\n"


@pytest.mark.parametrize(
    ("text", "encoding", "several"),
    [("řeka", "cp1250", {"cp1252", "cp1250", "cp1257"}), ("niño", "cp1252", {"cp1252", "cp1250"})],
)
def test_several_readings_that_make_words_are_all_told(text, encoding, several):
    assert {*likely_encodings(text.encode(encoding))} == several


@pytest.mark.parametrize(("text", "encoding"), [("Größe;Köln", "mac_roman"), ("Größe", "cp850")])
def test_what_makes_no_words_is_none(text, encoding):
    assert likely_encodings(text.encode(encoding)) == []
