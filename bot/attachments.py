"""The files that came with a message: text and PDFs become part of what is said, pictures go to a model that sees.

What a file is, its content says; its name and the type that somebody claims for it decide nothing.
"""

from __future__ import annotations

import asyncio
import codecs
import json
import math
import os
import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from weakref import WeakKeyDictionary

import structlog

from adapters.platforms.base import Attachment
from adapters.vendors.base import Image

if TYPE_CHECKING:
    from PIL import Image as Pictures
    from PIL.ImageFile import ImageFile

log = structlog.get_logger()

# Discord's name for a message that was too long to be one.
PASTE = "message.txt"
NAME_CHARACTERS = 80
# Vendors scale down to this or less on their side: more costs time and tells a model nothing.
LONG_SIDE = 2048
# The largest photos of telephones; unpacked, four bytes each.
PIXELS = 50_000_000
# Four pictures of this size, in base64, still fit into one request of every vendor.
PICTURE_BYTES = 3 * 1024 * 1024
# Modes in which every vendor understands a picture as it is.
PLAIN_MODES = {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"}
# Pictures and PDFs that are taken apart at the same time, over all conversations: each may need hundreds of megabytes.
SEATS = 2
# What a Python needs to start; the rest of the environment, secrets above all, is no business of whoever reads a PDF.
ENVIRONMENT = (
    "PATH PYTHONPATH PYTHONHOME PYTHONUSERBASE HOME LANG SYSTEMROOT LD_LIBRARY_PATH DYLD_LIBRARY_PATH".split()
)
ROOT = Path(__file__).resolve().parent.parent

# Why a file is not read that claims to be of a family of which others are.
UNREADABLE = {
    "text": "I cannot tell how its text is encoded; UTF-8 works",
    "image": "I read pictures as PNG, JPEG, GIF or WebP",
}
PDF_PROBLEMS = {
    "encrypted": "it is locked with a password",
    "broken": "the PDF is broken",
    "large": "it unpacks to more than I can hold",
    "textless": "it holds no text, only pictures of pages; send those as images",
}

Kind = Literal["png", "jpeg", "gif", "webp"]

_NEW_LINES = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Colours and titles of terminals, which logs are full of.
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_UNSEEN_BYTES = bytes({*range(0x20), 0x7F} - set(b"\b\t\n\v\f\r\x1b"))
_HIGH_BYTES = bytes(range(0x80, 0x100))
_BACKTICKS = re.compile("`+")
_IN_NAMES = str.maketrans({"[": "(", "]": ")", "\\": "/", "`": None})

_seats: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Rules:
    """How much is read: see ``[limits]`` in config.toml."""

    attachments: int = 4
    attachment_bytes: int = 8 * 1024 * 1024
    attachment_characters: int = 20_000
    pdf_pages: int = 30
    pdf_seconds: float = 20.0


@dataclass(frozen=True, slots=True)
class Reading:
    """A message with its files read.

    ``text`` is what the person said with the contents of text files below it; ``pictures`` are the names of ``images``,
    in the same order; ``declined`` holds half a sentence for each file that was not read, its name first.
    """

    text: str
    images: tuple[Image, ...]
    pictures: tuple[str, ...]
    declined: tuple[str, ...]


class _Declined(Exception):
    """A file is not read; ``str()`` is the reason, half a sentence."""


@dataclass(frozen=True, slots=True)
class _Text:
    """What a file says, and a remark on what of it is missing."""

    content: str
    remark: str


async def read(text: str, attachments: Sequence[Attachment], rules: Rules) -> Reading:
    """Read what came with a message, each file as what it is, and say which could not be read and why."""
    if not attachments:
        return Reading(text, (), (), ())
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_one(attachment, rules, number >= rules.attachments))
            for number, attachment in enumerate(attachments)
        ]
    said = _whole(text)
    parts = [said if said.strip() else ""]
    images: list[Image] = []
    pictures: list[str] = []
    declined: list[str] = []
    for attachment, task in zip(attachments, tasks, strict=True):
        name, found = _name(attachment.name), task.result()
        if isinstance(found, Image):
            images.append(found)
            pictures.append(name)
        elif isinstance(found, _Declined):
            declined.append(f"{name} ({found})")
        elif len(attachments) == 1 and attachment.name == PASTE:
            parts += [found.content, found.remark]
        else:
            parts.append(_block(name, found))
    return Reading("\n\n".join(filter(None, parts)), tuple(images), tuple(pictures), tuple(declined))


async def _one(attachment: Attachment, rules: Rules, surplus: bool) -> _Text | Image | _Declined:
    try:
        if attachment.problem:
            raise _Declined(_line(attachment.problem, 200))
        if surplus:
            raise _Declined(f"that is more than the {rules.attachments} I read at a time")
        if not attachment.data:
            raise _Declined("it is empty")
        if len(attachment.data) > rules.attachment_bytes:
            raise _Declined(f"it is larger than {_size(rules.attachment_bytes)}")
        return await _content(attachment, rules)
    except _Declined as declined:
        return declined


async def _content(attachment: Attachment, rules: Rules) -> _Text | Image:
    data = attachment.data
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"%PDF-"):
        return await _pdf(data, rules)
    # Text comes before pictures: no picture is valid UTF-8, but a page about the format may begin like one.
    text = await asyncio.to_thread(_unicode, data)
    if text is None and (kind := _kind(data)):
        async with _seat():
            return await asyncio.to_thread(_picture, data, kind)
    if text is None and b"%PDF-" in data[:1024]:
        return await _pdf(data, rules)
    if text is None:
        text = await asyncio.to_thread(_western, data)
    if text is None:
        family = attachment.media_type.partition("/")[0]
        raise _Declined(UNREADABLE.get(family, "I read pictures, text files and PDFs"))
    return await asyncio.to_thread(_shown, text, rules.attachment_characters)


def _unicode(data: bytes) -> str | None:
    """The text of UTF-8, or of UTF-16 with its mark; ``None`` when it is neither."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            text = data.decode("utf-16")
        except UnicodeDecodeError:
            return None
        # Nearly any bytes are some UTF-16: what nobody has assigned a meaning to gives them away.
        sample = text[:4096]
        strange = sum(unicodedata.category(character) in {"Cn", "Co"} for character in sample)
        return text if "\0" not in text and strange * 100 <= len(sample) else None
    if b"\0" in data or _unseen(data) * 100 > len(data):
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # A log that was cut off may end within a character.
        torn = error.reason == "unexpected end of data" and error.start > 0
        return data[: error.start].decode("utf-8-sig") if torn else None


def _western(data: bytes) -> str | None:
    """The text of Windows-1252, which is most of Latin-1 too, when it is clearly text."""
    high = len(data) - len(data.translate(None, _HIGH_BYTES))
    if _unseen(data) or high * 10 > len(data) * 3:
        return None
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return None


def _unseen(data: bytes) -> int:
    return len(data) - len(data.translate(None, _UNSEEN_BYTES))


def _shown(text: str, most: int) -> _Text:
    # Of a file far over the limit the rest is only counted: cleaning it would hold up everybody else.
    beyond = max(0, len(text) - 4 * most)
    text = _legible(text[: 4 * most]).strip("\n")
    if not text.strip():
        raise _Declined("it is empty")
    total, shown = beyond + len(text), text[:most]
    left = total - len(shown)
    return _Text(shown, f"(Left out here: the last {left:,} of {total:,} characters.)" if left else "")


def _legible(text: str) -> str:
    text = _NEW_LINES.sub("\n", _whole(text))
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    return _UNSEEN.sub("", text)


def _whole(text: str) -> str:
    """The text with halves of characters joined where they meet and replaced where they are alone."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _block(name: str, found: _Text) -> str:
    longest = max((len(run) for run in _BACKTICKS.findall(found.content)), default=0)
    fence = "`" * max(3, longest + 1)
    block = f"[file {name}]\n{fence}\n{found.content}\n{fence}"
    return f"{block}\n{found.remark}" if found.remark else block


def _name(raw: str) -> str:
    return _line(raw.translate(_IN_NAMES), NAME_CHARACTERS) or "a file without a name"


def _line(text: str, most: int) -> str:
    """One line without anything unseen, such as what turns writing around; of what is too long the middle is lost."""
    hidden = {"Cc", "Cf", "Cs"}
    seen = "".join(each for each in text if each.isspace() or unicodedata.category(each) not in hidden)
    seen = " ".join(seen.split())
    return seen if len(seen) <= most else f"{seen[: most // 2]}…{seen[1 - most // 2 :]}"


def _size(count: int) -> str:
    return f"{count / 1024**2:.3g} MB" if count >= 1024**2 else f"{count / 1024:.3g} KB"


def _kind(data: bytes) -> Kind | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    return "webp" if data.startswith(b"RIFF") and data[8:12] == b"WEBP" else None


def _picture(data: bytes, kind: Kind) -> Image:
    try:
        return _bounded(data, kind)
    except _Declined:
        raise
    except Exception as error:  # noqa: BLE001 - a decoder can raise anything over a hostile file
        log.info("picture not read", kind=kind, error=type(error).__name__)
        raise _Declined("the picture is broken") from None


def _open(data: bytes, kind: Kind) -> ImageFile:
    # The decoder that the content asks for and no other, and not through Image.open: that warns on the error stream.
    from PIL import GifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

    file = BytesIO(data)
    if kind == "png":
        return PngImagePlugin.PngImageFile(file)
    if kind == "jpeg":
        return JpegImagePlugin.JpegImageFile(file)
    return GifImagePlugin.GifImageFile(file) if kind == "gif" else WebPImagePlugin.WebPImageFile(file)


def _bounded(data: bytes, kind: Kind) -> Image:
    """The picture as it came, once it is known to be sound; or a copy, when vendors would not take it or it is too much.

    What a camera noted (where somebody was, for one) is left out of what is sent.
    """
    from PIL import Image as Pictures
    from PIL import ImageOps

    with _open(data, kind) as opened:
        if opened.width * opened.height > PIXELS:
            raise _Declined(f"the picture has more than {PIXELS // 1_000_000} million dots")
        if (
            kind != "gif"  # not every vendor takes one
            and max(opened.size) <= LONG_SIDE
            and len(data) <= PICTURE_BYTES
            and opened.mode in PLAIN_MODES
            and not getattr(opened, "is_animated", False)
            and not opened.getexif()
        ):
            opened.load()
            return Image(data, f"image/{kind}")
        if kind == "jpeg":
            opened.draft(None, (LONG_SIDE, LONG_SIDE))  # the decoder then unpacks little more than is needed
        image: Pictures.Image = opened
        if image.mode.startswith("I"):
            image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
        mode = "RGBA" if image.has_transparency_data else "RGB"
        if image.mode != mode:
            image = image.convert(mode)
        image.thumbnail((LONG_SIDE, LONG_SIDE))
        image = ImageOps.exif_transpose(image)
        image.info.clear()
        if kind == "jpeg":
            return _encoded(image, "jpeg")
        small = _encoded(image, "png")
        if len(small.data) <= PICTURE_BYTES:
            return small
        if mode == "RGBA":
            paper = Pictures.new("RGBA", image.size, "white")
            paper.alpha_composite(image)
            image = paper.convert("RGB")
        return _encoded(image, "jpeg")


def _encoded(image: Pictures.Image, kind: Kind) -> Image:
    out = BytesIO()
    image.save(out, kind, quality=88)
    return Image(out.getvalue(), f"image/{kind}")


def _seat() -> asyncio.Semaphore:
    return _seats.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(SEATS))


async def _pdf(data: bytes, rules: Rules) -> _Text:
    async with _seat():
        found = await _extracted(data, rules)
    if problem := found.get("problem"):
        log.info("PDF not read", problem=problem, error=found.get("error"))
        raise _Declined(PDF_PROBLEMS[str(problem)])
    text, pages, seen = str(found["text"]), found["pages"], found["read"]
    remarks: list[str] = []
    if found["cut"]:
        remarks.append(f"Only the first {len(text):,} characters are here, up to page {seen} of {pages}.")
    elif seen != pages:
        remarks.append(f"Only the first {seen} of {pages} pages are here.")
    if found["unread"]:
        remarks.append(f"Pages that could not be read: {found['unread']}.")
    content = _legible(text)
    if not content.strip():
        raise _Declined(PDF_PROBLEMS["textless"])
    return _Text(content, f"({' '.join(remarks)})" if remarks else "")


async def _extracted(data: bytes, rules: Rules) -> Mapping[str, object]:
    """What ``bot.pdf`` says of the file; its process is gone when this returns, or is cancelled."""
    # The process's own limit of time is for when nobody is left to end it.
    bounds = map(str, (rules.pdf_pages, rules.attachment_characters, math.ceil(rules.pdf_seconds) + 1))
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot.pdf", *bounds),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=ROOT,  # where this very application is found first
            env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
            start_new_session=True,  # a Ctrl-C at the terminal is ours to act on
        )
    except OSError as error:
        log.error("PDF reader not started", exc_info=error)
        raise _Declined("I cannot read PDFs at the moment") from None
    try:
        async with asyncio.timeout(rules.pdf_seconds):
            out, _ = await process.communicate(data)
    except TimeoutError:
        raise _Declined(f"it takes longer than {rules.pdf_seconds:g} seconds to read") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        log.warning("PDF reader ended", code=process.returncode)
        raise _Declined("it takes more time or memory to read than a file gets")
    return json.loads(out)
