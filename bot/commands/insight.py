"""What happened: history and stats."""

from __future__ import annotations

from adapters.platforms.base import Access, Answer, Call, Command, Field, Param, Table
from bot.commands.prompts import day
from bot.commands.talk import counted, shorten
from bot.services import Services
from storage import clock, exchanges, statistics
from storage.exchanges import Exchange
from training.cost import money

DAY_MS = 86_400_000


def commands(services: Services) -> tuple[Command, ...]:
    """The commands of this group."""

    async def history(call: Call) -> Answer:
        return await _history(services, call)

    async def stats(call: Call) -> Answer:
        return await _stats(services, call)

    return (
        Command(
            "history",
            "show the last exchanges of this conversation",
            history,
            params=(Param("count", "how many", "integer", default=10, minimum=1, maximum=100),),
        ),
        Command(
            "stats",
            "show use, ratings and cost of the avatar that answers here",
            stats,
            access=Access.REVIEWER,
            params=(Param("days", "of so many days; of all time when left out", "integer", minimum=1),),
        ),
    )


async def _history(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    conversation = scene.conversation
    if conversation is None:
        return Answer("Nothing was said here yet.", data=[])
    found = await services.database.read(
        lambda tx: exchanges.listed(
            tx, scene.workspace.id, conversation_id=conversation.id, limit=call.integer("count") or 10
        )
    )
    found = list(reversed(found))
    admin = call.who.access >= Access.TRAINER
    rows = tuple(
        (day(each.created_at), shorten(each.user_text, 40), _reply(each, admin=admin), _rated(each), each.id)
        for each in found
    )
    data = [
        {
            "exchange_id": each.id,
            "said": each.user_text,
            "reply": each.reply_text,
            "status": each.status,
            "model": each.model,
            "quality": each.quality,
            "error": each.error if admin else "",
        }
        for each in found
    ]
    return Answer(table=Table(("when (UTC)", "said", "reply", "quality", "exchange"), rows), data=data)


def _reply(exchange: Exchange, *, admin: bool) -> str:
    """What became of it; why it failed is for admins, who alone can mend it."""
    if exchange.status == "complete":
        return shorten(exchange.reply_text, 60)
    if exchange.status == "pending":
        return "(being answered)"
    error = exchange.error if admin else ""
    return f"({exchange.status}) {shorten(exchange.reply_text or error, 50)}".rstrip()


def _rated(exchange: Exchange) -> str:
    if exchange.quality is None or not exchange.ratings:
        return "-"
    return f"{exchange.quality:.2f} ({exchange.ratings} rated)"


def _spent(stats: statistics.Stats) -> str:
    if not stats.unpriced:
        return money(stats.cost or 0.0)
    if stats.cost is None:
        return "unknown: set [prices]"
    return f"{money(stats.cost)}, and {counted(stats.unpriced, 'exchange')} of unknown price"


async def _stats(services: Services, call: Call) -> Answer:
    scene = await services.scene(call)
    days = call.integer("days")
    since = clock.now() - days * DAY_MS if days else None
    stats = await services.database.read(
        lambda tx: statistics.stats(tx, scene.workspace.id, scene.avatar.id, since)
    )
    mean = f"{stats.mean_stars:.2f} of 5" if stats.mean_stars is not None else "no ratings yet"
    fields = (
        Field(
            "Exchanges",
            f"{stats.exchanges:,} with {stats.people:,} {'person' if stats.people == 1 else 'people'}",
        ),
        Field("Ratings", f"{counted(stats.rated, 'exchange')} rated, {mean}"),
        Field(
            "Answered", f"{stats.known_share:.0%} knew an answer" if stats.known_share is not None else "-"
        ),
        Field("Examples", f"{stats.examples_approved:,} in use, {stats.examples_proposed:,} to review"),
        Field("Tokens", f"{stats.tokens_in:,} in, {stats.tokens_out:,} out"),
        Field("Cost", _spent(stats)),
        Field(
            "Time to reply",
            f"{stats.median_latency_ms:,} ms (median)" if stats.median_latency_ms is not None else "-",
        ),
    )
    period = f"the last {days} days" if days else "all time"
    data = {name: getattr(stats, name) for name in stats.__slots__}
    return Answer(f"**{scene.avatar.name}**, {period}", fields=fields, data=data)
