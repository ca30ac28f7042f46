"""From rated exchanges to a tuned model that answers, and back again, led by an admin in a channel of Discord or Slack."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tests.end_to_end import desk
from tests.end_to_end.rooms import Room, Screen


@dataclass
class Story:
    """What people read, in order, each with what was done before; and what there was to see of the run."""

    screens: list[tuple[str, Screen | str]] = field(default_factory=list[tuple[str, "Screen | str"]])
    model: str = ""
    status: Screen | None = None
    end: Screen | None = None
    replies: list[str] = field(default_factory=list[str])

    def add(self, what: str, screen: Screen) -> Screen:
        """Somebody reads this now."""
        self.screens.append((what, screen))
        return screen

    def screen(self, what: str) -> str:
        """The words of the screen after something was done."""
        return next(str(screen) for done, screen in self.screens if done == what)


async def play(room: Room) -> Story:
    """The whole loop, each step by the command or the button that the step before offers."""
    story = Story()
    await room.gives("avatar use", name=desk.AVATAR)
    await _asks(room, story)
    story.add("/finetune build", await room.gives("finetune build"))
    dataset = f"{desk.AVATAR}-sft"
    story.add("/finetune estimate", await room.gives("finetune estimate", dataset=dataset))
    asked = story.add(
        "/finetune launch", await room.gives("finetune launch", dataset=dataset, vendor="embedded")
    )
    story.add("pressed Launch it", await room.presses(asked, "Launch it"))
    story.end = await room.sees("Training run 1 on ")
    story.status = story.add("the message in the channel", await room.sees("**Training run 1** ·"))
    story.add("a new message in the channel", story.end)
    found = re.search(r"embedded:[\w-]+", story.end.text)
    assert found is not None, story.end.text
    story.model = found[0]
    story.add("/finetune status", await room.gives("finetune status"))
    story.add("/finetune models", await room.gives("finetune models"))
    story.add("pressed Try it", await room.presses(story.end, "Try it"))
    story.add("/finetune try", await room.gives("finetune try", model=story.model, message=desk.QUESTION))
    tried = story.add("pressed Activate …", await room.presses(story.end, "Activate …"))
    active = story.add("pressed Activate it", await room.presses(tried, "Activate it"))
    await _asks(room, story)
    back = story.add("pressed Roll back …", await room.presses(active, "Roll back …"))
    story.add("pressed the button", await room.presses(back, back.labels[0]))
    await _asks(room, story)
    story.add("/finetune releases", await room.gives("finetune releases"))
    return story


async def _asks(room: Room, story: Story) -> None:
    story.replies.append(await room.asks(desk.QUESTION))
    story.screens.append((f"Bob asks: {desk.QUESTION}", story.replies[-1]))


def told(room: Room, story: Story) -> str:
    """All of it, as people read it; of the message in the channel also what it said before."""
    parts: list[str] = []
    for what, screen in story.screens:
        if isinstance(screen, Screen) and screen is story.status:
            before = room.history(screen)[:-1]
            parts += [f"-- {what}, as it was --\n{text}" for text in dict.fromkeys(before)]
        parts.append(f"-- {what} --\n{screen}")
    return "\n\n".join(parts)
