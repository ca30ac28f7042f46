"""What counts as a word."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.words import READ, tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t.,;!? 😀", []),
        ("Hello, WORLD!", ["hello", "world"]),
        ("Don't / dont / don’t", ["dont", "dont", "dont"]),
        ("'quoted' rock'n'roll", ["quot", "rocknrol"]),
        ("snake_case and 12.5", ["snake", "case", "and", "12", "5"]),
        ("connecting connected connects", ["connect", "connect", "connect"]),
        ("ﬁne Ｗｉｄｅ Straße", ["fine", "wide", "strass"]),
        ("x\x00y \ud800", ["x", "y"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("猫", ["猫"]),
        ("東京へ", ["東", "京", "へ", "東京", "京へ"]),
        ("wifiの設定", ["wifi", "の", "設", "定", "の設", "設定"]),
        ("text OR NEAR(a b) \"x* -y col:z'", ["text", "or", "near", "a", "b", "x", "y", "col", "z"]),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@given(st.text(st.characters()))
def test_any_text_gives_words_without_space_or_sign(text: str) -> None:
    assert all(token and not set(token) & set(" \"'*_\x00\n") for token in tokens(text))


def test_a_pasted_book_is_read_only_at_its_beginning() -> None:
    assert len(tokens("word " * 2_000_000)) == READ // 5


def test_threads_do_not_disturb_each_other() -> None:
    texts = [f"running{n} connections relational" for n in range(2_000)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(tokens, texts)) == [tokens(text) for text in texts]
