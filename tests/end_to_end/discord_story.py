"""One afternoon on Discord, as people see it: ``python -m tests.end_to_end.discord_story`` prints it."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.stage import Stage, set_stage
from tests.servers.discord import Message, Permission, Person
from tests.servers.openai import Reply

QUESTION = "How do I list the birds that were seen today?"
BETTER = "Run `birds today`: it lists every bird of the day, newest first."


def long_answer() -> str:
    """Prose around a code block that does not fit into one message of Discord."""
    lines = "\n".join(
        f'    print("bird number {n:02d} was seen near the copper lane today")' for n in range(40)
    )
    return f"You can write a small script for that:\n\n```python\ndef birds():\n{lines}\n```\n\nSave it, then run it."


@dataclass
class Story:
    """What happened: the messages of the first answer, what Ada alone saw of her form, and the last answer."""

    first: list[Message]
    form: str
    thanks: list[str]
    last: Message


async def play(stage: Stage) -> Story:
    """Mention, streamed answer, restart, thumb down, form, better answer, consent; then somebody else asks the same."""
    ada: Person = stage.guild.member("Ada", permissions=Permission.MANAGE_MESSAGES)
    bob: Person = stage.guild.member("Bob")
    channel, bot = stage.channel, stage.discord.bot
    answer = long_answer()
    pieces = [answer[at : at + 40] for at in range(0, len(answer), 40)]
    pause = asyncio.Event()
    stage.openai.otherwise = lambda _question: Reply(pieces, pauses={30: pause})

    await ada.says(channel, QUESTION, mention=bot)
    await stage.discord.until(lambda: channel.of(bot))  # it is being written
    pause.set()
    await stage.replied(2)
    first = channel.of(bot)

    await stage.service.stop()
    await stage.service.start()
    await stage.discord.until(lambda: not stage.discord.gateway.connected, 30)
    await stage.discord.connected(30)

    form = await ada.clicks(first[-1], "👎")
    values = {"reason": "wrong", "comment": "there is a command for it", "better": BETTER}
    sent = await (await ada.submits(form, values)).done()
    thanks = [each.text() for each in (*form.messages, *sent.messages)]
    asked = next(each for each in (*sent.messages, *form.messages) if "Yes" in each.labels)
    await ada.clicks(asked, "Yes")
    await stage.discord.until(lambda: "Thank you" in asked.shown)
    thanks.append(asked.text())
    title = f"{(form.modal or {}).get('title')} {'; '.join(form.fields)}"

    await bob.says(channel, QUESTION, mention=bot)
    last = await stage.replied(len(first) + 1)
    return Story(first, title, thanks, last)


async def _print() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with set_stage(Path(folder)) as stage:
            story = await play(stage)
            alone = "\n".join(story.thanks)
            sys.stdout.write(
                f"{stage.channel.transcript()}\n\nBelow the first answer Ada filled in the form\n"
            )
            sys.stdout.write(f"    {story.form}\nand read\n{alone}\n")


if __name__ == "__main__":
    asyncio.run(_print())
