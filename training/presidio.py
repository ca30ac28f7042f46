"""People, places and organisations by a language model: Presidio over an installed spaCy model, beside the rules.

Of Presidio only the recogniser of spaCy's entities is used: the rest are rules that ours cover, and one wants the network.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from adapters.platforms.base import UserError
from training.privacy import Links, Redactor, Scope, Span
from training.privacy.names import Names
from training.privacy.spans import PLACEHOLDER

# What Presidio calls them, and what their placeholders do.
ENTITIES: Final = {"PERSON": "name", "LOCATION": "location", "NRP": "group", "ORGANIZATION": "organization"}
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
        results = self._engine.analyze(text, language=self._language, entities=list(ENTITIES))
        for result in sorted(results, key=lambda each: (each.start, -each.end)):
            start, end = int(result.start), int(result.end)
            if start < end and all(end <= first or start >= last for first, last in taken):
                taken.append((start, end))
                spans.append(Span(start, end, ENTITIES[result.entity_type], text[start:end].casefold()))
        return sorted(spans, key=lambda span: span.start)


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
