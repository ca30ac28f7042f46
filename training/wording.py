"""What the wording of a reply tells by itself: that it declines, how it begins and ends, which language it is in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from training.sketches import normalise

UNKNOWN: Final = "unknown"

_EDGE: Final = 5  # words that make a beginning or an ending
_ENDS: Final = 300  # characters in which they are looked for
_LOOKED_AT: Final = 240  # characters in which a refusal shows itself
_LETTERS: Final = 20  # with fewer the language is a guess
_SURE: Final = 0.5

_SORRY: Final = (
    r"(?:(?:i am|i'm) (?:\w+ )?(?:sorry|afraid)|sorry|unfortunately|regrettably|my apologies|i apologi[sz]e)"
)
_UNABLE: Final = (
    r"(?:i (?:can't|can ?not|am unable to|am not able to|won't|will not)|i'm (?:unable|not able) to)"
)
_REFUSAL: Final = re.compile(
    rf"^{_SORRY}[^.!?]{{0,40}}?\b{_UNABLE}\b"
    rf"|^{_SORRY}[.!] {_UNABLE}\b"
    rf"|^(?:well, |no, |but )?{_UNABLE} (?:(?:really|directly|actually) )?"
    r"(?:help(?: you| with|[.,!]|$)|assist|answer|comply|fulfil|provide|discuss|engage|generate|create|do (?:that|this)|"
    r"continue|respond|offer|give (?:you )?(?:medical|legal|financial))"
    r"|^(?:als ki\b|(?:es )?tut mir (?:leid|sehr leid)[^.!?]{0,20}ich kann (?:\w+ ){0,3}nicht\b)"
    r"|^(?:lo siento[^.!?]{0,12}no puedo\b|como (?:modelo de lenguaje|una? ia)\b)"
    r"|^(?:(?:je suis )?désolée?[^.!?]{0,12}je ne peux pas\b|en tant qu'(?:ia|intelligence artificielle)\b)"
)
_MACHINE: Final = re.compile(
    r"\bas an? (?:artificial intelligence|(?:large |ai )?language model|ai|chatbot)\b"
    r"|\bi(?:'m| am) (?:just |only )?an? (?:artificial intelligence|(?:large |ai )?language model|ai)(?: and|,|\.| so)? "
    r"(?:i )?(?:and )?(?:can't|can ?not|don't|do not)\b"
)
# A search through all of a reply is for the few that hold one of these.
_MACHINES: Final = (" ai", "language model", "chatbot", "artificial")
_QUOTES: Final = str.maketrans({"’": "'", "‘": "'", "`": "'", "´": "'"})


def is_refusal(text: str) -> bool:
    """Whether a reply begins by declining, or speaks of itself as a machine (English; some German, Spanish, French)."""
    start = text[:_LOOKED_AT]
    normal = normalise(start if start.isascii() and "`" not in start else start.translate(_QUOTES))
    if _REFUSAL.match(normal) is not None:
        return True
    return any(word in normal for word in _MACHINES) and _MACHINE.search(normal) is not None


def edges(text: str) -> tuple[str, str]:
    """How a reply begins and ends: five words of each, as they are compared; empty for one of fewer than ten words."""
    if len(text) > 4 * _ENDS:
        text = f"{text[:_ENDS]} {text[-_ENDS:]}"
    found = text.lower().split() if text.isascii() else normalise(text).split(" ")
    if len(found) < 2 * _EDGE:
        return "", ""
    return " ".join(found[:_EDGE]), " ".join(found[-_EDGE:])


_NOT_SPOKEN: Final = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+|\[[a-z][a-z ]*\d*\]|<[^<>\s]+>", re.DOTALL
)


def languages(texts: Sequence[str]) -> list[str]:
    """The language of each text in two letters; ``UNKNOWN`` for one that is too short to tell or could be several.

    Code, links and the placeholders of personal data are no language.
    """
    return Languages()(texts)


class Languages:
    """``languages`` for several reports on much the same texts: the model is loaded once, no text looked at again."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._identifier: Any = None

    def __call__(self, texts: Sequence[str]) -> list[str]:
        for text in texts:
            if text not in self._known:
                self._known[text] = self._language(text)
        return [self._known[text] for text in texts]

    def _language(self, text: str) -> str:
        spoken = _NOT_SPOKEN.sub(" ", text[:1_000])[:400]
        if sum(map(str.isalpha, spoken)) < (_LETTERS if spoken.isascii() else _LETTERS // 2):
            return UNKNOWN
        if self._identifier is None:
            # Loaded for a report and let go: it takes a second and 80 MB that the chat has other uses for.
            from py3langid.langid import MODEL_FILE, LanguageIdentifier

            self._identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        name, sure = self._identifier.classify(spoken)
        return str(name) if sure >= _SURE else UNKNOWN
