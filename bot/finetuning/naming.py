"""What buttons say instead of long names: a platform may give them few characters to keep over a restart."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from adapters.platforms.base import Call, UserError

_NO_QUESTION: Final = "That is none of the questions that buttons answer; leave out `asked`."
_SHORT: Final = 20  # characters of a name, as it is written in an address
_ASKED: Final = re.compile(r"(\d{1,9})-([0-9a-f]{6})(-anyway)?")
_DATASET: Final = re.compile(r"~(\d{1,9})")
_OFFER: Final = re.compile(
    r"(?P<vendor>[^/]+)/(?P<model>[0-9a-f]{6})/(?P<epochs>\d{0,4})/(?P<batch>\d{0,6})/(?P<rate>[0-9.e+-]{0,24})"
    r"/(?P<once>[^/]+)(?P<anyway>/anyway)?"
)
_RUN: Final = re.compile(r"run:(\d{1,9})(?::(\d{1,9}))?")


def model_of_run(number: int, step: int | None = None) -> str:
    """A tuned model by its run, as in ``run:3``, or ``run:3:40`` for the checkpoint of step 40."""
    return f"run:{number}" if step is None else f"run:{number}:{step}"


def run_of(name: str) -> tuple[int, int | None] | None:
    """The run, and the step, that a model is named by."""
    match = _RUN.fullmatch(name)
    return (int(match[1]), int(match[2]) if match[2] else None) if match else None


def end_of_id(avatar_id: str) -> str:
    """What tells the avatars of a workspace apart."""
    return avatar_id[-6:]


def whom(avatar_id: str, name: str) -> str:
    """An avatar by its name, or as ``~1a2b3c`` by the end of its id where the name is long."""
    return name if len(quote(name)) <= _SHORT else f"~{end_of_id(avatar_id)}"


def dataset_by_number(number: int) -> str:
    """A dataset by its number, as in ``~12``: that version and no newer one."""
    return f"~{number}"


def number_of_dataset(name: str) -> int | None:
    """The number that a dataset is named by."""
    match = _DATASET.fullmatch(name)
    return int(match[1]) if match else None


def mark_of_model(name: str) -> str:
    """What tells the models of a vendor apart."""
    return hashlib.sha256(name.encode()).hexdigest()[:6]


@dataclass(frozen=True, slots=True)
class Offer:
    """What somebody was shown before they say that it be launched: where, which model by its mark, and how.

    ``once`` is a word of its own for each offer, so that it is taken once; ``anyway`` says that the end of the model was
    told. As text it is ``openai/1a2b3c/3//1.5/9f8e7d6c``, with what is left to the vendor empty.
    """

    vendor: str
    model: str
    epochs: int | None
    batch: int | None
    rate: float | None
    once: str
    anyway: bool = False

    def __str__(self) -> str:
        how = "/".join("" if each is None else str(each) for each in (self.epochs, self.batch, self.rate))
        once = quote(self.once, safe="")  # a word of their own may be anything
        return f"{self.vendor}/{self.model}/{how}/{once}{'/anyway' if self.anyway else ''}"


def offer_of(call: Call) -> Offer | None:
    """The offer that the call takes. Raises ``UserError``."""
    said = call.text("asked").strip()
    if not said:
        return None
    if (match := _OFFER.fullmatch(said)) is None:
        raise UserError(_NO_QUESTION)
    epochs, batch, rate = match["epochs"], match["batch"], match["rate"]
    try:
        multiple = float(rate) if rate else None
    except ValueError:
        raise UserError(_NO_QUESTION) from None
    return Offer(
        match["vendor"],
        match["model"],
        int(epochs) if epochs else None,
        int(batch) if batch else None,
        multiple,
        unquote(match["once"]),
        bool(match["anyway"]),
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody was asked before they said yes: an avatar, the release it had, and whether doubts were told.

    As text it is ``12-1a2b3c``, with ``-anyway`` where there were doubts.
    """

    release: int
    avatar: str
    anyway: bool = False

    def __str__(self) -> str:
        return f"{self.release}-{self.avatar}{'-anyway' if self.anyway else ''}"


def asked_of(call: Call) -> Asked | None:
    """The question that the call answers. Raises ``UserError``."""
    said = call.text("asked").strip()
    if not said:
        return None
    if (match := _ASKED.fullmatch(said)) is None:
        raise UserError(_NO_QUESTION)
    return Asked(int(match[1]), match[2], bool(match[3]))
