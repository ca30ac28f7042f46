"""People, places and organisations by a language model: Presidio over an installed spaCy model, beside the rules.

Of Presidio only the recogniser of spaCy's entities is used: the rest are rules that ours cover, and one wants the network.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from adapters.platforms.base import UserError
from training.privacy import Links, Redactor, Scope, Span
from training.privacy.names import Names
from training.privacy.spans import PLACEHOLDER

# What Presidio calls them, and what their placeholders do.
ENTITIES: Final = {"PERSON": "name", "LOCATION": "location", "NRP": "group", "ORGANIZATION": "organization"}
PIECE: Final = 20_000
"""Characters that a model is shown at once: spaCy refuses a million, and warns of a gigabyte for each hundred thousand."""
_HALVES = re.compile("[\ud800-\udfff]")  # of characters, which spaCy refuses
_INSTALL = "pip install 'understudy[privacy]'"


class PresidioRedactor(Redactor):
    """A ``Redactor`` that also asks spaCy's ``model``, which must be installed; nothing is downloaded.

    Raises ``UserError`` where the extra or the model is missing. What a model finds depends on its context: unlike the
    rules alone, redacting again may find more.
    """

    def __init__(self, model: str, names: Iterable[str] = (), *, links: Links = "all") -> None:
        super().__init__(names, links=links)
        self._engine, self._language = _engine(model)

    def scope(self) -> Scope:
        """A new conversation."""
        return _Scope(self._names, self._links, self._engine, self._language)


class _Scope(Scope):
    def __init__(self, names: Names, links: Links, engine: Any, language: str) -> None:
        super().__init__(names, links)
        self._engine = engine
        self._language = language

    def _find(self, text: str) -> list[Span]:
        spans = super()._find(text)
        taken = [(span.start, span.end) for span in spans]
        taken += [match.span() for match in PLACEHOLDER.finditer(text)]
        for start, end, entity in sorted(self._entities(text), key=lambda each: (each[0], -each[1])):
            if start < end and all(end <= first or start >= last for first, last in taken):
                taken.append((start, end))
                spans.append(Span(start, end, ENTITIES[entity], text[start:end].casefold()))
        return sorted(spans, key=lambda span: span.start)

    def _entities(self, text: str) -> Iterator[tuple[int, int, str]]:
        """What the model recognises, a piece of the text at a time, each of whole words."""
        text = _HALVES.sub("\ufffd", text)
        at = 0
        while at < len(text):
            end = at + PIECE
            if end < len(text):
                end = max(text.rfind(" ", at, end), text.rfind("\n", at, end)) + 1 or end
            found = self._engine.analyze(text[at:end], language=self._language, entities=list(ENTITIES))
            for each in found:
                yield at + int(each.start), at + int(each.end), str(each.entity_type)
            at = end


def _engine(model: str) -> tuple[Any, str]:
    """Presidio over the model, and the model's language."""
    try:
        import spacy  # pyright: ignore[reportMissingImports]
        from presidio_analyzer import (  # pyright: ignore[reportMissingImports]
            AnalyzerEngine,
            RecognizerRegistry,
        )
        from presidio_analyzer.nlp_engine import SpacyNlpEngine  # pyright: ignore[reportMissingImports]
        from presidio_analyzer.predefined_recognizers import (  # pyright: ignore[reportMissingImports]
            SpacyRecognizer,
        )
    except ImportError:
        raise UserError(f"Presidio is not installed: {_INSTALL} adds it.") from None
    try:
        nlp = spacy.load(model)  # never fetches; Presidio's own loading would
    except (OSError, ValueError):
        raise UserError(
            f"There is no spaCy model {model!r} here: python -m spacy download {model} adds it."
        ) from None
    engine = SpacyNlpEngine(models=[{"lang_code": nlp.lang, "model_name": model}])
    engine.nlp = {nlp.lang: nlp}
    registry = RecognizerRegistry(
        recognizers=[SpacyRecognizer(supported_language=nlp.lang)], supported_languages=[nlp.lang]
    )
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=[nlp.lang]), nlp.lang
