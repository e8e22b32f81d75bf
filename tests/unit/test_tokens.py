"""The token estimate: near what two public tokenizers count, above rather than below, and cheap."""

# ruff: noqa: RUF001  (letters of other scripts are what is counted here)

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.tokens import estimated_tokens, most_tokens

# Text, then what a public tokenizer of Claude's and cl100k count (worked out once, with both).
COUNTED = {
    "english": (
        "The app closes by itself since the last update, and nobody from support has answered me for a week now.",
        22,
        22,
    ),
    "german": (
        "Das Gerät lässt sich seit dem letzten Update nicht mehr einschalten, und der Kundendienst antwortet überhaupt "
        "nicht auf meine Anfragen. Die Lieferung kam außerdem drei Tage zu spät.",
        54,
        47,
    ),
    "russian": (
        "После последнего обновления приложение постоянно вылетает, а служба поддержки не отвечает уже целую неделю. "
        "Деньги за отменённый заказ так и не вернули.",
        74,
        65,
    ),
    "arabic": (
        "التطبيق يتوقف عن العمل بعد التحديث الأخير ولا أحد يرد على رسائلي منذ أسبوع كامل، كما أن الشحنة وصلت متأخرة.",
        99,
        76,
    ),
    "hindi": (
        "पिछले अपडेट के बाद ऐप बार-बार बंद हो जाता है और ग्राहक सेवा एक सप्ताह से कोई जवाब नहीं दे रही है।",
        104,
        96,
    ),
    "thai": ("หลังจากอัปเดตครั้งล่าสุด แอปปิดตัวเองตลอดเวลา และฝ่ายบริการลูกค้าไม่ตอบกลับมาหนึ่งสัปดาห์แล้ว", 162, 88),
    "chinese": (
        "上次更新之后，应用程序总是自动关闭，客服一个星期都没有回复我的消息，退款也一直没有到账，非常失望。",
        43,
        42,
    ),
    "japanese": (
        "前回のアップデート以降、アプリが勝手に終了してしまいます。サポートに連絡しても一週間返事がありません。とても残念です。",
        59,
        59,
    ),
    "korean": (
        "지난 업데이트 이후 앱이 계속 종료되고 고객 센터는 일주일째 답장이 없습니다. 환불도 아직 받지 못했습니다.",
        61,
        56,
    ),
    "numbers": (
        "order 4098-1182-7766 ref 00931 2024-11-03 10:22:51 +49 171 5550199 total 1,299.99",
        35,
        42,
    ),
    "json": ('{"id": 17, "name": "x", "tags": ["a", "b"], "price": 12.5, "ok": true, "n": null}', 37, 39),
    "digest": ("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", 44, 43),
    "base64": ("TG9yZW0gaXBzdW0gZG9sb3Igc2l0IGFtZXQsIGNvbnNlY3RldHVyIGFkaXBpc2NpbmcgZWxpdA==", 48, 53),
}


@pytest.mark.parametrize("kind", COUNTED)
def test_the_estimate_is_near_what_tokenizers_count_and_rather_above(kind: str) -> None:
    text, claude, cl100k = COUNTED[kind]
    least, most = sorted((claude, cl100k))
    assert 0.75 * most <= estimated_tokens(text) <= 1.9 * least + 5


@given(st.text(alphabet=st.characters(), max_size=300))
def test_every_text_has_an_estimate_between_one_and_two_tokens_a_character(text: str) -> None:
    assert (estimated_tokens(text) == 0) == (text == "")
    assert estimated_tokens(text) <= 1 + 2 * len(text)


@given(st.text(max_size=200), st.text(max_size=200))
def test_two_texts_together_cost_about_what_they_cost_apart(one: str, other: str) -> None:
    together = estimated_tokens(f"{one} {other}")
    assert together <= 3 * (estimated_tokens(one) + estimated_tokens(other)) + 1


def test_half_of_a_surrogate_pair_is_counted_like_any_character() -> None:
    assert estimated_tokens("\ud83d") >= 1


@given(st.text() | st.text(string.ascii_letters) | st.text(string.digits + string.punctuation + " ab"))
def test_no_estimate_is_above_the_cheap_bound(text: str) -> None:
    assert estimated_tokens(text) <= most_tokens(text)
