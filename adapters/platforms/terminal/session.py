"""Who talks at this terminal, and how what they type becomes the words of a platform."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from adapters.platforms.base import Call, Host, Mark, Message, Place, Progress, Who
from adapters.platforms.usage import Value


@dataclass(frozen=True, slots=True)
class Session:
    """One person at one terminal.

    ``now`` gives milliseconds since the epoch, ``new_key`` a fresh key for a message. ``report`` logs an error that is
    ours and returns the sentence to show instead.
    """

    host: Host
    place: Place
    who: Who
    now: Callable[[], int]
    new_key: Callable[[], str]
    report: Callable[[Exception], str]

    def message(self, text: str) -> Message:
        """What was typed, as a message to the avatar."""
        return Message(key=self.new_key(), place=self.place, who=self.who, text=text, at=self.now())

    def rating(self, exchange_id: str, stars: int) -> Mark:
        """Stars for a reply."""
        return Mark(self.place, self.who, "stars", self.now(), stars=stars, exchange_id=exchange_id)

    def remark(self, exchange_id: str, comment: str | None, better: str | None) -> Mark:
        """What was wrong with a reply and what would have been better; the stars stay as they are."""
        return Mark(
            self.place,
            self.who,
            "stars",
            self.now(),
            rates=False,
            comment=comment,
            better=better,
            exchange_id=exchange_id,
        )

    def call(
        self, command: str, values: Mapping[str, Value], progress: Progress, *, confirmed: bool = False
    ) -> Call:
        """A command with its values."""
        return Call(
            command=command,
            place=self.place,
            who=self.who,
            values=values,
            progress=progress,
            at=self.now(),
            local=True,
            confirmed=confirmed,
        )
