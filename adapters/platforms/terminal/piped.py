"""One message in, one reply out, for pipes and scripts: plain text or one JSON object, and an exit code.

The whole of standard input is one message. 0 says that there is a reply, 1 that there is none, 2 that the message cannot
be used.
"""

from __future__ import annotations

import json
from typing import BinaryIO, TextIO

from adapters.platforms.base import UserError
from adapters.platforms.terminal.plain import PlainReply, spoken_data
from adapters.platforms.terminal.session import Session

# Far above what any host accepts: enough to tell a long message from an endless one.
MAX_INPUT_BYTES = 32 * 1024 * 1024

REPLIED, FAILED, UNUSABLE = 0, 1, 2


def read_message(stream: BinaryIO) -> str:
    """All of ``stream`` as one message. Raises ``UserError``."""
    data = stream.read(MAX_INPUT_BYTES + 1)
    if len(data) > MAX_INPUT_BYTES:
        raise UserError(f"The message is longer than {MAX_INPUT_BYTES // 1024 // 1024} MB.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"The message is not valid UTF-8 (byte {error.start + 1} cannot be read).") from None
    return checked_message(text)


def checked_message(text: str) -> str:
    """``text`` when it can be a message. Raises ``UserError``."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # what the operating system handed over was not UTF-8
        raise UserError("The message is not valid UTF-8.") from None
    if not text.strip():
        raise UserError("There is no message: standard input or --message is empty.")
    return text.strip()


async def answer_once(session: Session, text: str, *, as_json: bool, out: TextIO, err: TextIO) -> int:
    """Say ``text`` to the avatar and write its reply; returns the exit code."""
    reply = PlainReply(out, err, live=out.isatty(), silent=as_json)
    spoken = await session.host.speak(session.message(text), reply)
    if spoken.status in {"declined", "ignored", "repeated"}:
        err.write(f"understudy: {spoken.text or 'There is no reply to this message.'}\n")
        return UNUSABLE
    if as_json:
        out.write(json.dumps(spoken_data(spoken), ensure_ascii=False) + "\n")
    elif spoken.status == "taught":
        out.write(spoken.text + "\n")
    return REPLIED if spoken.status in {"complete", "taught"} else FAILED
