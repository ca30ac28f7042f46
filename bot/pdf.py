"""The text of a PDF file, in a process of its own: its bytes on the standard input, JSON on the standard output.

    python -m bot.pdf PAGES CHARACTERS SECONDS

Whatever a hostile file makes of its reader ends with this process: memory and time are bounded from within, and who
started it ends it when it takes too long. Nothing else of the application is imported here.
"""

from __future__ import annotations

import json
import sys
from io import BytesIO

MEMORY = 1024**3


def confine(seconds: int) -> None:
    """Bound this process: its address space, and the processor time that it may use."""
    try:
        import resource
    except ImportError:
        return  # a system without such limits: the clock of who started us holds
    bounds = (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),  # nobody's file is to be left on the disk by a crash
    )
    for limit, most in bounds:
        hard = resource.getrlimit(limit)[1]
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        try:
            resource.setrlimit(limit, (most, most))
        except (ValueError, OSError):
            continue  # macOS knows RLIMIT_AS and refuses it; the other bounds hold


def extract(data: bytes, pages: int, characters: int) -> dict[str, object]:
    """The text of the first ``pages`` pages up to ``characters``, and how far that reaches; or the ``problem``.

    ``pages`` in the answer is how many the file has, ``read`` how many were looked at, ``unread`` how many of those
    could not be made out, and ``cut`` says that the last of them is there in part. The problems are ``encrypted``,
    ``broken``, ``large`` (more than this process may hold) and ``textless``, with the kind of the ``error``.
    """
    # Here and not above: limits come first, and who only wants a name of this module does not wait for the library.
    from pypdf import PdfReader

    try:
        reader = PdfReader(BytesIO(data))
        # Many files are encrypted with no password at all, only to forbid things: everybody can open those.
        if reader.is_encrypted and not reader.decrypt(""):
            return {"problem": "encrypted", "error": ""}
        total = len(reader.pages)
    except Exception as error:  # noqa: BLE001 - a hostile file can raise anything: it is told as a problem
        return _problem(error)
    texts: list[str] = []
    held = read = unread = 0
    failure: Exception | None = None
    while read < min(pages, total) and held <= characters:
        try:
            text = reader.pages[read].extract_text().strip()
        except Exception as error:  # noqa: BLE001 - as above; the other pages may be sound
            failure = error
            unread += 1
        else:
            if text:
                texts.append(text)
                held += len(text) + 2
        read += 1
    if not texts:
        return _problem(failure) if failure is not None else {"problem": "textless", "error": ""}
    whole = "\n\n".join(texts)
    return {
        "text": whole[:characters],
        "pages": total,
        "read": read,
        "unread": unread,
        "cut": len(whole) > characters,
    }


def _problem(error: Exception) -> dict[str, object]:
    kind = type(error).__name__
    # Told by its name, because not every pypdf that serves here has that class.
    large = isinstance(error, MemoryError) or kind == "LimitReachedError"
    return {"problem": "large" if large else "broken", "error": kind}


def main(arguments: list[str]) -> None:
    """Read one file and tell what is in it."""
    pages, characters, seconds = (int(each) for each in arguments)
    confine(seconds)
    found = extract(sys.stdin.buffer.read(), pages, characters)
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
