"""What the model is shown: prompt version, examples, history and the question, inside the token budget.

``select`` and ``fit`` are pure: they decide. ``read`` reads what they decide on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters.vendors.base import ChatRequest, Image, Shot, Turn
from storage import examples, exchanges, prompts, search
from storage.avatars import Avatar
from storage.database import Tx
from storage.examples import Example
from storage.exchanges import Line
from storage.releases import Release
from storage.search import Hit

# Candidates are this many times what is shown, so that there is something to be diverse among.
WIDTH = 3
# What a message costs beside its text, in tokens: role and separators, as chat formats have it.
MESSAGE_TOKENS = 4


@dataclass(frozen=True, slots=True)
class Rules:
    """How much of what: see ``[context]`` in config.toml."""

    token_budget: int
    history_exchanges: int
    examples: int
    pinned_examples: int
    floor: float
    diversity: float


@dataclass(frozen=True, slots=True)
class Shown:
    """What was read for one reply, before it is fitted to the budget."""

    prompt: str
    prompt_number: int
    pinned: tuple[Example, ...]
    retrieved: tuple[Hit, ...]
    history: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """The request, and which examples and how much history found room in it."""

    request: ChatRequest
    example_ids: tuple[str, ...]
    example_scores: tuple[float, ...]
    tokens: int
    history: int


def read(
    tx: Tx,
    avatar: Avatar,
    release: Release,
    channel: str,
    conversation_id: str,
    text: str,
    rules: Rules,
    *,
    without: str | None = None,
) -> Shown:
    """Everything that a reply may be built from.

    ``without`` is the exchange that is being answered again, the first of its siblings: it and what came after are no
    history.
    """
    prompt = prompts.get(tx, release.prompt_version_id)
    pinned = examples.pinned(tx, avatar.id, channel)[: rules.pinned_examples]
    hits: Sequence[Hit] = ()
    if rules.examples:
        hits = search.search(tx, avatar.id, channel, text, limit=rules.examples * WIDTH)
    lines: Sequence[Line] = ()
    if rules.history_exchanges:
        before = exchanges.get(tx, without).created_at if without is not None else None
        lines = exchanges.history(tx, conversation_id, limit=rules.history_exchanges, before=before)
    chosen = select(hits, {example.id for example in pinned}, rules)
    return Shown(prompt.text, prompt.number, tuple(pinned), tuple(chosen), tuple(lines))


def select(hits: Sequence[Hit], taken: set[str], rules: Rules) -> list[Hit]:
    """The examples to show: above the floor, at most one of a conversation, by maximal marginal relevance.

    MMR (Carbonell and Goldstein, 1998): each next one maximises (1 - d) * relevance - d * likeness to those chosen, with
    ``diversity`` as d, ``Hit.share`` as relevance and the Jaccard index of the word sets as likeness.
    """
    pool = [hit for hit in hits if hit.share >= rules.floor and hit.example.id not in taken]
    words = {hit.example.id: set(search.tokens(hit.example.user_text)) for hit in pool}
    chosen: list[Hit] = []
    conversations: set[str] = set()
    answers: set[str] = set()

    def worth(hit: Hit) -> float:
        likeness = max((_jaccard(words[hit.example.id], words[c.example.id]) for c in chosen), default=0.0)
        return (1 - rules.diversity) * hit.share - rules.diversity * likeness

    while pool and len(chosen) < rules.examples:
        best = max(pool, key=worth)
        pool.remove(best)
        example = best.example
        if example.conversation_id in conversations or example.assistant_text in answers:
            continue
        chosen.append(best)
        answers.add(example.assistant_text)
        if example.conversation_id:
            conversations.add(example.conversation_id)
    return sorted(chosen, key=lambda hit: hit.score, reverse=True)


def _jaccard(one: set[str], other: set[str]) -> float:
    union = len(one | other)
    return len(one & other) / union if union else 0.0


def fit(
    shown: Shown,
    *,
    model: str,
    text: str,
    unknown: str,
    budget: int,
    count: Callable[[str], int],
    images: tuple[Image, ...] = (),
    temperature: float | None = None,
    max_output_tokens: int | None = None,
) -> Context:
    """Fill the budget: prompt and question always, then examples, then history from the newest back.

    ``count`` gives the tokens of a text. When prompt and question alone are over the budget they are sent all the same:
    the vendor knows its true limit.
    """
    left = budget - count(shown.prompt) - count(text) - 2 * MESSAGE_TOKENS
    shots: list[Shot] = []
    for example in (*shown.pinned, *(hit.example for hit in shown.retrieved)):
        cost = count(example.user_text) + count(example.assistant_text) + 2 * MESSAGE_TOKENS
        if cost <= left:
            left -= cost
            shots.append(Shot(example.user_text, example.assistant_text, example.id))
    history: list[Turn] = []
    for line in reversed(shown.history):
        cost = count(line.user_text) + count(line.reply_text) + 2 * MESSAGE_TOKENS
        if cost > left:
            break
        left -= cost
        history[:0] = [Turn("user", line.user_text), Turn("assistant", line.reply_text)]
    request = ChatRequest(
        model=model,
        system=shown.prompt,
        turns=(*history, Turn("user", text, images)),
        shots=tuple(shots),
        unknown=unknown,
        temperature=temperature,
        max_output_tokens=max_output_tokens,
    )
    shares = {hit.example.id: hit.share for hit in shown.retrieved}
    return Context(
        request,
        example_ids=tuple(shot.id for shot in shots),
        example_scores=tuple(round(shares.get(shot.id, 0.0), 4) for shot in shots),
        tokens=budget - left,
        history=len(history) // 2,
    )
