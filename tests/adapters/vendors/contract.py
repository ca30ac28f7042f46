"""What every ``ChatModel`` does: a test module makes one and hands it to each of these functions.

``CHECKS`` lists them; a check takes the model and the name of a model that it has.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from adapters.vendors.base import ChatModel, ChatRequest, Delta, Finished, ModelNotFound, Shot, Turn

SHOT = Shot(
    "What is the wifi password?", "It is written on the white board in the kitchen, in blue.", "shot-1"
)


def request(name: str, text: str = SHOT.user) -> ChatRequest:
    """A question with one example."""
    return ChatRequest(name, "You are a helpful colleague.", (Turn("user", text),), (SHOT,), "I do not know.")


async def deltas_then_one_finished(model: ChatModel, name: str) -> None:
    """A reply is text in pieces and then exactly one end, which counts what was used."""
    events = [event async for event in model.stream(request(name))]
    assert isinstance(events[-1], Finished)
    assert len(events) > 1
    assert all(isinstance(event, Delta) and event.text for event in events[:-1])
    assert events[-1].usage.tokens_in > 0
    assert events[-1].usage.tokens_out > 0
    assert events[-1].usage.cost is None or events[-1].usage.cost >= 0


async def closing_early_ends_the_call(model: ChatModel, name: str) -> None:
    """Whoever has heard enough closes the generator, and may ask again."""
    stream = model.stream(request(name))
    assert isinstance(await anext(stream), Delta)
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    assert [event async for event in model.stream(request(name))]


async def unknown_model_is_told(model: ChatModel, name: str) -> None:
    """A name that the vendor does not have is ``ModelNotFound``, with the vendor's name on it."""
    with pytest.raises(ModelNotFound) as caught:
        _ = [event async for event in model.stream(request("there-is-no-such-model"))]
    assert caught.value.vendor == model.vendor


async def empty_question_is_answered(model: ChatModel, name: str) -> None:
    """A message without words, a picture alone perhaps, still gets an end."""
    events = [event async for event in model.stream(request(name, ""))]
    assert isinstance(events[-1], Finished)


async def tokens_are_counted(model: ChatModel, name: str) -> None:
    """Nothing is free of tokens but nothing; two texts together take no fewer than either."""
    first, second = "How do I connect Slack?", " It is 12345 steps, 世界!"
    assert model.count_tokens(name, "") == 0
    assert model.count_tokens(name, first) > 0
    together = model.count_tokens(name, first + second)
    assert together >= max(model.count_tokens(name, first), model.count_tokens(name, second))
    assert model.context_tokens(name) > together


async def models_are_listed(model: ChatModel, name: str) -> None:
    """The model in use is among those that can be chosen."""
    assert name in [info.name for info in await model.models()]


CHECKS: tuple[Callable[[ChatModel, str], Awaitable[None]], ...] = (
    deltas_then_one_finished,
    closing_early_ends_the_call,
    unknown_model_is_told,
    empty_question_is_answered,
    tokens_are_counted,
    models_are_listed,
)
