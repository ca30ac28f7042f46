"""``Embedded``: answers with what it was shown or trained on, and says so when that is not enough."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from adapters.vendors.base import ChatRequest, Delta, Event, Finished, ModelInfo, Shot, Usage
from adapters.vendors.embedded import artefact as artefacts
from adapters.vendors.embedded import tokens
from adapters.vendors.embedded.artefact import VENDOR, Artefact
from adapters.vendors.embedded.index import Index
from adapters.vendors.embedded.similarity import features, logistic, same, score
from adapters.vendors.embedded.text import Lexicon

if TYPE_CHECKING:
    from adapters.vendors.embedded.recall import Cosines, Recall

BASE: Final = "base"
UNKNOWN: Final = "I do not know that yet. Teach me: type `no, the answer is ...`"
CONTEXT_TOKENS: Final = 131_072

_CHUNK_CHARS: Final = 24
_PIECE: Final = re.compile(rf"\s*\S{{1,{_CHUNK_CHARS}}}\s*|\s+")
_LOADED_MODELS: Final = 4


@dataclass(frozen=True, slots=True)
class Match:
    """The best example for a question and the probability, 0..1, that its reply answers it."""

    shot: Shot
    score: float


class Loaded:
    """A model in memory: scores questions against examples and against the pairs that it was trained on.

    What training taught is true of those pairs. An example that came later is judged as the base model does: on the same
    scale, for both have one floor (blend.py).
    """

    def __init__(self, artefact: Artefact) -> None:
        self.artefact = artefact
        self.lexicon = Lexicon(artefact.terms)
        self.recall: Recall | None = None
        self.index: Index | None = None
        self._taught = {(pair.user, pair.assistant) for pair in artefact.pairs}
        if artefact.learned is not None:
            from adapters.vendors.embedded.recall import Recall  # numpy, which the base model does without

            self.recall = Recall(artefact.pairs, artefact.learned, self.lexicon)
        elif artefact.pairs:
            self.index = Index(artefact.pairs, self.lexicon)

    def score(self, question: str, shot: Shot) -> float:
        """The probability, 0..1, that the shot's reply answers ``question``."""
        if self.recall is None or (shot.user, shot.assistant) not in self._taught:
            return score(self.lexicon, self.artefact.weights, question, shot.user, shot.assistant)
        return self.likeness(question, shot)

    def likeness(self, question: str, shot: Shot) -> float:
        """The same by all that was learned, also for a shot that the model was not trained on."""
        if self.recall is None:
            return score(self.lexicon, self.artefact.weights, question, shot.user, shot.assistant)
        return self._score(question, shot, self.recall.cosines(question, shot.user, shot.assistant))

    def ranked(self, question: str) -> list[Match]:
        """The trained pairs that are worth scoring in full, best first; of equals the first."""
        pairs = self.artefact.pairs
        if self.recall is not None:
            found = [
                Match(pairs[number], self._score(question, pairs[number], cosines))
                for number, cosines in self.recall.nearest(question)
            ]
        else:
            numbers = self.index.nearest(question) if self.index else []
            found = [Match(pairs[number], self.score(question, pairs[number])) for number in numbers]
        return sorted(found, key=lambda match: -match.score)

    def best(self, question: str, shots: Sequence[Shot]) -> Match | None:
        """The best of the shots and the trained pairs, whatever its score; of equals the first, shots before pairs."""
        shown = [Match(shot, self.score(question, shot)) for shot in shots]
        return max((*shown, *self.ranked(question)[:1]), key=lambda match: match.score, default=None)

    def _score(self, question: str, shot: Shot, cosines: Cosines) -> float:
        equal = same(self.lexicon, question, shot.user)
        if equal is None:
            return 0.0
        if equal:
            return 1.0
        artefact = self.artefact
        assert artefact.learned is not None  # whoever has cosines has learned
        base = artefact.weights.logit(features(self.lexicon, question, shot.user, shot.assistant))
        return logistic(artefact.learned.mix.logit(base, cosines))


class Embedded:
    """The ``ChatModel`` of this vendor: ``base``, and every artefact ``<name>.json`` in ``models_dir``."""

    def __init__(self, models_dir: Path | None = None) -> None:
        self._models_dir = models_dir
        self._base: Loaded | None = None
        self._loaded: OrderedDict[tuple[str, int, int], Loaded] = OrderedDict()

    @property
    def vendor(self) -> str:
        """``embedded``."""
        return VENDOR

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event]:
        """Answer the last user turn from the best example at or above the model's floor, else with ``unknown``.

        Raises ``ModelNotFound`` for a name without a file and ``BadRequest`` for a file that is not valid.
        """
        model = await self.load(request.model)
        question = next((turn.text for turn in reversed(request.turns) if turn.role == "user"), "")
        match = model.best(question, request.shots)
        known = match is not None and match.score >= model.artefact.weights.floor
        reply = match.shot.assistant if match is not None and known else request.unknown or UNKNOWN
        limit = request.max_output_tokens
        shown = reply if limit is None else tokens.truncate(reply, limit)
        for piece in chunks(shown):
            yield Delta(piece)
            # Whoever cancels gets a turn between two pieces.
            await asyncio.sleep(0)
        yield Finished(
            usage=Usage(tokens_in=_tokens_in(request), tokens_out=tokens.count(shown), cost=0.0),
            reason="stop" if shown == reply else "length",
            example_ids=(match.shot.id,) if match is not None and known and match.shot.id else (),
            known=known,
        )

    async def explain(
        self, question: str, shots: Sequence[Shot], model: str = BASE
    ) -> Sequence[tuple[str, float]]:
        """(id, score) of each shot for ``question``, best first; a score is a probability, 0..1. Raises as ``stream``."""
        loaded = await self.load(model)
        scored = [(shot.id, loaded.score(question, shot)) for shot in shots]
        return sorted(scored, key=lambda pair: -pair[1])

    def count_tokens(self, model: str, text: str) -> int:
        """How many tokens of this vendor's own tokenizer ``text`` takes (``tokens.count``), the same for each model."""
        return tokens.count(text)

    def context_tokens(self, model: str) -> int:
        """A bound so that a context is finite; only the examples and the last turn are read."""
        return CONTEXT_TOKENS

    def sees(self, model: str) -> bool:
        """It reads text only."""
        return False

    def cost(self, model: str, tokens_in: int, tokens_out: int) -> float | None:
        """Nothing."""
        return 0.0

    async def models(self) -> Sequence[ModelInfo]:
        """``base`` and the artefacts in the models directory, checkpoints aside."""
        trained = await asyncio.to_thread(artefacts.names, self._models_dir)
        return (
            ModelInfo(BASE, "answers only from its examples; no key, no download"),
            *(ModelInfo(name, "trained here; answers from its dataset and its examples") for name in trained),
        )

    async def close(self) -> None:
        """Forget the models in memory."""
        self._loaded.clear()

    async def load(self, name: str) -> Loaded:
        """The model ``name``, read again when its file has changed. Raises ``ModelNotFound`` and ``BadRequest``."""
        if name == BASE:
            if self._base is None:
                self._base = Loaded(artefacts.base())
            return self._base
        path = artefacts.path_of(self._models_dir, name)
        stat = await asyncio.to_thread(path.stat)
        key = (name, stat.st_mtime_ns, stat.st_size)
        loaded = self._loaded.get(key)
        if loaded is None:
            loaded = await asyncio.to_thread(lambda: Loaded(artefacts.load(path)))
            self._loaded[key] = loaded
            while len(self._loaded) > _LOADED_MODELS:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(key)
        return loaded


def chunks(text: str) -> list[str]:
    """``text`` in pieces of whole words, about 24 characters each; together they are the text."""
    found: list[str] = []
    held = ""
    for match in _PIECE.finditer(text):
        held += match.group()
        if len(held) >= _CHUNK_CHARS:
            found.append(held)
            held = ""
    return [*found, held] if held else found


def _tokens_in(request: ChatRequest) -> int:
    texts = [request.system, *(turn.text for turn in request.turns)]
    texts += [text for shot in request.shots for text in (shot.user, shot.assistant)]
    return sum(map(tokens.count, texts))
