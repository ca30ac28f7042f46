"""The platforms that can be served, as far as is known before any of them is imported."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from adapters.platforms.base import Platform, UserError
from bot.settings import Configuration


@dataclass(frozen=True, slots=True)
class Face:
    """A platform that can be served: the variables it needs, how it is made (imported only then), how it is tried out.

    ``probe`` logs in and gives what it found, each with whether that is as it should be.
    """

    name: str
    needs: tuple[str, ...]
    make: Callable[[Configuration], Platform] | None = None
    probe: Callable[[Configuration], Awaitable[Sequence[tuple[bool, str]]]] | None = None

    def configured(self, configuration: Configuration) -> bool:
        """Whether all of its variables are set."""
        secrets = configuration.secrets
        return all(getattr(secrets, name.lower(), None) is not None for name in self.needs)


def ready(configuration: Configuration, faces: Sequence[Face]) -> tuple[Face, ...]:
    """The platforms whose variables are all set. Raises ``UserError`` when there is nothing to serve."""
    found = tuple(face for face in faces if face.configured(configuration))
    if not found:
        needs = ", or ".join(f"{' and '.join(face.needs)} for {face.name}" for face in faces)
        raise UserError(
            f"There is no platform to serve: set {needs}, then run again; `understudy chat` needs nothing."
        )
    missing = [face.name for face in found if face.make is None]
    if missing:
        raise UserError(
            f"This version cannot serve {' and '.join(missing)} yet; `understudy chat` works here."
        )
    return found
