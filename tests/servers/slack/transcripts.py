"""A channel as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.servers.slack.messages import Message
    from tests.servers.slack.teams import Channel, User


def transcript(channel: Channel, viewer: User | None) -> str:
    """Everything that ``viewer`` sees, threads indented below what began them."""
    lines = [channel.shown]
    shown = [one for one in channel.messages.values() if _sees(one, viewer)]
    roots = {one.ts for one in shown if not one.is_reply}
    for message in shown:
        if message.is_reply and message.thread_ts in roots:
            continue
        lines += _message(message, "")
        for reply in shown:
            if reply.is_reply and reply.thread_ts == message.ts:
                lines += _message(reply, "  ")
        lines += _around(channel, message.ts, "  ")
    loose = {*channel.statuses, *channel.prompts} - roots
    for ts in sorted(loose):
        lines += _around(channel, ts, "")
    return "\n".join(lines)


def _sees(message: Message, viewer: User | None) -> bool:
    if message.deleted and not message.replies:
        return False
    return message.ephemeral_for is None or viewer in (None, message.ephemeral_for)


def _message(message: Message, indent: str) -> list[str]:
    notes: list[str] = []
    if message.author.is_bot:
        notes.append("APP")
    if message.ephemeral_for is not None:
        notes.append(f"only {message.ephemeral_for.name} sees this")
    if message.broadcast:
        notes.append("also sent to the channel")
    said = "(deleted)" if message.deleted else message.shown
    if message.edited:
        said += " (edited)"
    if message.streaming:
        said += " (streaming)"
    name = message.username or message.author.name
    about = f" ({', '.join(notes)})" if notes else ""
    head = f"{indent}{name}{about}:"
    first, *rest = said.split("\n")
    lines = [f"{head} {first}", *(f"{indent}  {line}" for line in rest)]
    if message.reactions:
        marks = "  ".join(f":{name}: {len(people)}" for name, people in message.reactions.items())
        lines.append(f"{indent}  {marks}")
    return lines


def _around(channel: Channel, ts: str, indent: str) -> list[str]:
    """What stands in a thread beside its messages."""
    lines: list[str] = []
    if title := channel.titles.get(ts):
        lines.append(f"{indent}(title: {title})")
    if prompts := channel.prompts.get(ts):
        lines.append(f"{indent}({prompts.get('title') or 'suggestions'}:")
        lines += [f"{indent}  [{one['title']}]" for one in prompts["prompts"]]
        lines[-1] += ")"
    if status := channel.statuses.get(ts):
        lines.append(f"{indent}({channel.team.bot.name} {status})")
    return lines
