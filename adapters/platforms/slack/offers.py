"""What a form proposes for its inputs: the values that there are, as far as they are found before it has to open."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from adapters.platforms.base import Call, Command, Param, UserError
from adapters.platforms.slack.progress import Bar
from adapters.platforms.slack.visits import Visit
from adapters.platforms.usage import Value

log = structlog.get_logger()

LONGEST: Final = 150
"""Characters of what stands in an input as long as nothing is written into it."""


async def offers(visit: Visit, command: Command, values: Mapping[str, Value]) -> Mapping[str, str]:
    """What stands in the inputs that are still empty, by their names; nothing for those without anything to propose."""
    asking = [each for each in command.params if each.complete is not None and each.name not in values]
    if not asking or not visit.trigger:
        return {}
    call = await visit.call(command, values, Bar(visit, draws=False), who=await visit.who())
    found = await asyncio.gather(*(_found(param, call, visit.desk.wire.tempo.offer) for param in asking))
    return {param.name: _such_as(known) for param, known in zip(asking, found, strict=True) if known}


async def _found(param: Param, call: Call, seconds: float) -> Sequence[str]:
    assert param.complete is not None
    try:
        async with asyncio.timeout(seconds):
            return await param.complete(call, "")
    except (TimeoutError, UserError) as error:
        log.info("nothing proposed", command=call.command, param=param.name, error=type(error).__name__)
        return ()
    except Exception as error:
        # The form is what was asked for, whatever it could propose.
        log.exception("no proposals", command=call.command, param=param.name, exc_info=error)
        return ()


def _such_as(known: Sequence[str]) -> str:
    """The first of them, as many as there is room for."""
    text = f"Such as {known[0]}"
    for each in known[1:]:
        if len(text) + len(each) + 2 > LONGEST:
            break
        text += f", {each}"
    return text[:LONGEST]
