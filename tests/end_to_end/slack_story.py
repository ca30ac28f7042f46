"""One afternoon on Slack, as people see it: ``python -m tests.end_to_end.slack_story`` prints it."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.slack_stage import Stage, set_stage
from tests.servers.openai import Reply
from tests.servers.slack import Message

QUESTION = "How do I list the birds that were seen today?"
BETTER = "Run `birds today`: it lists every bird of the day, newest first."
AGAIN = "And yesterday?"
HELLO = "Are you there?"
FILLED = {
    "What was it?": "It is wrong",
    "In your words": "there is a command for it",
    "A better answer": BETTER,
}


def long_answer() -> str:
    """Prose around a list, a table and a block of code, which takes a while to write."""
    rows = "\n".join(f"| bird {n:02d} | {n} |" for n in range(12))
    lines = "\n".join(f'    print("bird number {n:02d} was seen today")' for n in range(12))
    return (
        f"There are **two** ways:\n\n1. a table\n2. a script\n\n| bird | seen |\n| --- | --- |\n{rows}\n\n"
        f"```python\ndef birds():\n{lines}\n```\n\nSave it, then run it."
    )


@dataclass
class Story:
    """What happened, and what people saw of it."""

    direct: Message
    half: str
    first: Message
    second: Message
    form: str
    thanks: str
    learnt: str
    last: Message
    home: str
    admin_home: str


async def play(stage: Stage) -> Story:
    """A direct message; a mention, streamed; its thread; thumb down, form, consent; somebody else asks the same; homes."""
    ada, bob = stage.team.member("Ada", admin=True), stage.team.member("Bob")
    channel, bot = stage.channel, stage.team.bot
    stage.openai.otherwise = lambda _question: Reply(["Yes, ", "what can I do?"])
    await ada.says(ada.direct, HELLO)
    direct = await stage.replied(where=ada.direct)

    answer = long_answer()
    pieces = [answer[at : at + 40] for at in range(0, len(answer), 40)]
    pause = asyncio.Event()
    stage.openai.otherwise = lambda _question: Reply(pieces, pauses={10: pause})
    asked = await ada.says(channel, QUESTION, mention=bot)
    growing = (await stage.comes(stage.said))[0]
    await stage.comes(lambda: len(growing.shown) > 300)
    half = growing.shown
    pause.set()
    first = await stage.replied()

    stage.openai.otherwise = lambda _question: Reply(["That is no longer known."])
    await ada.says(channel, AGAIN, thread=asked)
    second = await stage.replied(2)

    form = await stage.form(await ada.clicks(first, "Bad reply"))
    shown = form.shown
    await ada.submits(form, FILLED)
    question = await stage.comes(lambda: next((one for one in stage.said() if "Yes" in one.labels), None))
    thanks = question.shown
    await ada.clicks(question, "Yes")
    await stage.comes(lambda: "Thank you" in question.shown)

    await bob.says(channel, QUESTION, mention=bot)
    last = await stage.replied(3)

    homes: list[str] = []
    for person in (bob, ada):
        await person.opens_home()
        homes.append((await stage.comes(lambda person=person: person.home)).shown)
    return Story(direct, half, first, second, shown, thanks, question.shown, last, *homes)


async def _print() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with set_stage(Path(folder)) as stage:
            story = await play(stage)
            ada = next(one for one in stage.team.users.values() if one.name == "Ada")
            parts = {
                "Ada's direct messages": stage.team.direct(ada).transcript(ada),
                "The channel as Ada sees it": stage.channel.transcript(ada),
                "Halfway, the first answer in the channel read": story.half,
                "Below it Ada pressed 👎, which opened a form": story.form,
                "She filled it in": "\n".join(f"{label}: {said}" for label, said in FILLED.items()),
                "after which only she was asked": story.thanks,
                "and was told, when she had agreed": story.learnt,
                "Bob's App Home": story.home,
                "That of Ada, an admin of the workspace": story.admin_home,
            }
            for title, text in parts.items():
                sys.stdout.write(f"-- {title} --\n\n{text}\n\n")


if __name__ == "__main__":
    asyncio.run(_print())
