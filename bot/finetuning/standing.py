"""How a training run stands, in words and buttons: what the one message says that tells of it, from its launch to its end.

Pure: a run and its losses go in, an answer comes out. ``now`` is in milliseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from adapters.platforms.bars import bar
from adapters.platforms.base import Answer, Button, Field, File
from bot.finetuning.naming import model_of_run, whom
from storage.run_history import Loss, Told
from storage.runs import Run
from training.cost import money
from training.hosts import Elsewhere

_HERE: Final = frozenset({"embedded", "local"})
_OUTAGE: Final = 3  # failures in a row that are more than a hiccup
_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000
_WORSE: Final = 1.02  # above its lowest value so much, the validation loss rises


@dataclass(frozen=True, slots=True)
class About:
    """What else is known of a run: ``unasked`` is what was decided about its model without a person's word.

    ``asked`` says that somebody looks now: they are told every trouble and the last of ``events``. ``elsewhere`` is the
    other host that has the run, where one does.
    """

    unasked: Told | None = None
    asked: bool = False
    events: Sequence[Told] = ()
    elsewhere: Elsewhere | None = None

    @property
    def released(self) -> bool:
        """Whether an avatar answers with its model by itself."""
        return self.unasked is not None and self.unasked.level != "warning"


NOTHING: Final = About()


# -- a run in words


def headline(run: Run, dataset: str) -> str:
    """Which run it is: the same words from its launch to its end."""
    return f"**Training run {run.number}** · `{run.vendor}:{run.base_model}` on `{dataset}` ({run.method})"


def state_of(run: Run, where: Elsewhere | None = None) -> str:
    """What is being done with it, in a sentence; ``where`` it is, unless that is here."""
    if run.state == "succeeded":
        made = f"the model is `{run.vendor}:{run.model}`." if run.model else "but there is no model any more."
        return f"✅ It has succeeded{_lasted(run)}: {made}"
    if run.state == "failed":
        return f"❌ It has failed{_lasted(run)}. {_sentence(run.error)}".rstrip()
    if run.state == "cancelled":
        return f"🛑 It was cancelled{_lasted(run)}. {_sentence(run.error)}".rstrip()
    if run.state == "creating" and run.looked:
        return f"🔎 Whether {_who(run, where)} has begun with it is being looked up; it is not ordered twice."
    return _STATES[run.state].format(who=_who(run, where), at=_at(run, where))


def wish_of(run: Run, where: Elsewhere | None = None) -> str:
    """What somebody wants and has not got yet; empty without anything."""
    if run.ended or not run.wanted:
        return ""
    return f"{_WISHES[run.wanted]}; {_who(run, where)} has not confirmed it yet."


def place_of(run: Run, where: Elsewhere | None) -> str:
    """Which other host has the run, and what to do where that may be gone; empty where it goes on here, or has ended."""
    if where is None or run.ended:
        return ""
    if not where.lost:
        return f"It is on the host {where.host}, which alone asks after it."
    heard = "has never been heard from"
    if where.silent is not None:
        heard = f"has not been heard from for {span(where.silent)}"
    return (
        f"⚠️ It is on the host {where.host}, which {heard}. Start Understudy there, and it goes on; if that host is gone for "
        f"good, `/finetune cancel {run.number}` gives the run up."
    )


def eta_of(run: Run, now: int) -> str:
    """When it may be done; empty where nobody knows."""
    if run.ended or run.state in ("paused", "cancelling"):
        return ""
    if run.ends_at is not None and run.ends_at > now:
        until = datetime.fromtimestamp(run.ends_at / 1000, UTC)
        day = f"{until.day} {until:%B}, " if run.ends_at - now >= _DAY // 2 else ""
        return f"{span(run.ends_at - now)} left, until {day}{until:%H:%M} UTC"
    seconds = run.estimate.get("seconds")
    if isinstance(seconds, int | float) and seconds > 0 and not run.done:
        return f"{span(round(seconds * 1000))} in all, as estimated"
    return ""


def cost_of(run: Run) -> str:
    """What it has cost, what it was estimated at, and what keeping the model costs."""
    estimated = f"estimated at {money(run.expected)}"
    if run.expected == 0 and not run.cost:
        return "nothing: it runs on this machine" if run.vendor in _HERE else "nothing"
    if not run.ended:
        whole = f", {estimated} in all" if run.expected is not None else ""
        if run.cost is not None:
            return f"{money(run.cost)} so far{whole}"
        return estimated if run.expected is not None else "not known: there is no price for this model"
    if run.cost is not None:
        text = money(run.cost) + (f", {estimated}" if run.expected is not None else "")
    elif run.expected is not None:
        text = f"{estimated}; {_who(run)} does not say what it came to"
    else:
        text = f"not known; look at {run.vendor} for it"
    hosting = run.estimate.get("hosting")
    if run.state == "succeeded" and isinstance(hosting, int | float) and hosting > 0:
        text += f"; the model costs {money(hosting)} a month while it is kept"
    return text


def loss_of(losses: Sequence[Loss]) -> str:
    """The last losses, and whether the one that matters has begun to rise; empty without any."""
    found: list[str] = []
    for split, name in _SPLITS.items():
        of = [each for each in _course(losses) if each.split == split]
        if not of:
            continue
        last = of[-1]
        text = f"{last.loss:.3f} {name} at step {last.step:,}"
        best = min(of, key=lambda each: each.loss)
        if split == "validation" and last.loss > best.loss * _WORSE:
            text += f", up from {best.loss:.3f} at step {best.step:,}"
        found.append(text)
    return "; ".join(found)


def memory_of(run: Run) -> str:
    """The most memory that it has used; empty where nobody says."""
    if not run.memory_bytes:
        return ""
    size = run.memory_bytes / 2**30
    return f"at most {size:.1f} GiB" if size >= 1 else f"at most {max(1, round(size * 1024))} MiB"


def kept_of(losses: Sequence[Loss]) -> Loss | None:
    """What was measured last on the model that is kept: the loss of an epoch that has been told before, told again.

    ``None`` where the model is that of the last step, as far as anybody says.
    """
    *others, last = [None, *(each for each in losses if each.split == "validation")]
    if last is None or last.epoch is None:
        return None
    again = any(each and (each.epoch, each.loss) == (last.epoch, last.loss) for each in others)
    return last if again else None


def _course(losses: Sequence[Loss]) -> list[Loss]:
    """The losses on the way, without the measure at the end."""
    kept = kept_of(losses)
    return [each for each in losses if each is not kept]


def held_out_of(losses: Sequence[Loss]) -> str:
    """How often it was right on rows that it was not trained on, at the beginning and in the end; empty where nobody says.

    The end is the model that is kept, which may be one of an earlier epoch.
    """
    of = _measured(losses)
    if len(of) < 2:
        return ""
    first, last = of[0], of[-1]
    begun = f"accuracy {first.accuracy:.0%} at step {first.step:,}"
    if last is not kept_of(losses):
        return f"{begun}, {last.accuracy:.0%} at step {last.step:,}"
    if not last.epoch:
        return f"{begun}, {last.accuracy:.0%} in the end: the model that is kept answers as before the first epoch"
    return f"{begun}, {last.accuracy:.0%} in the end: the model of epoch {last.epoch:g} is kept"


def held_out_data(losses: Sequence[Loss]) -> dict[str, float | None] | None:
    """The same for scripts: shares, 0..1, and the epoch of the model that is kept, where that is told."""
    of = _measured(losses)
    if len(of) < 2:
        return None
    kept = kept_of(losses)
    return {"before": of[0].accuracy, "after": of[-1].accuracy, "epoch": kept.epoch if kept else None}


def _measured(losses: Sequence[Loss]) -> list[Loss]:
    return [each for each in losses if each.split == "validation" and each.accuracy is not None]


def text_of(run: Run, dataset: str, now: int, about: About) -> str:
    """All that is to be said of a run, the headline first."""
    where = about.elsewhere
    said = [headline(run, dataset), state_of(run, where), place_of(run, where)]
    if not run.ended and run.done is not None and run.state not in _BEFORE:
        said.append(bar(run.done))
    said.append(wish_of(run, where))
    if not run.ended and run.trouble and (about.asked or run.failures >= _OUTAGE):
        why = _sentence(run.trouble)
        said.append(f"⚠️ Just now {_who(run)} cannot be asked, and is asked again later: {why}")
    if run.ended and run.trouble and about.asked:
        said.append(f"⚠️ Cleaning up after it is tried again later: {_sentence(run.trouble)}")
    if about.unasked is not None:
        said.append(_decided(about.unasked))
    if about.asked:
        said += _last_told(run, about.events)
    return "\n".join(filter(None, said))


def _decided(unasked: Told) -> str:
    return f"⚠️ {unasked.message}" if unasked.level == "warning" else unasked.message


def _last_told(run: Run, events: Sequence[Told]) -> list[str]:
    """What the vendor said last."""
    if run.state == "succeeded":
        # A vendor sums up at the end: what came of it, and which model.
        return [each.message for each in events[-2:]]
    return [f"Last told: {events[-1].message}"] if events and not run.ended else []


def fields_of(run: Run, losses: Sequence[Loss], now: int) -> tuple[Field, ...]:
    """The figures of a run, those that there are."""
    figures = {
        "Time": eta_of(run, now),
        "Cost": cost_of(run),
        "Memory": memory_of(run),
        "Loss": loss_of(losses),
        "Held out": held_out_of(losses),
        "Checkpoints": f"{len(run.checkpoints)}; `/finetune models` lists them"
        if run.state == "succeeded" and len(run.checkpoints) > 1
        else "",
    }
    return tuple(Field(name, value) for name, value in figures.items() if value)


def buttons_of(run: Run, avatar: str = "", *, released: bool = False) -> tuple[Button, ...]:
    """What can be done next; ``avatar`` is whom the run was for, and ``released`` that it answers with the model."""
    number = str(run.number)
    if run.state == "succeeded":
        if not run.model:
            return ()
        model = model_of_run(run.number)  # which says for whom, too
        try_ = Button("Try it", "finetune try", {"model": model})
        if released and run.avatar_id:
            return (try_, Button("Roll back …", "finetune rollback", {"avatar": whom(run.avatar_id, avatar)}))
        return (try_, Button("Activate …", "finetune activate", {"model": model}, "good"))
    if run.ended:
        return (Button("What happened?", "finetune logs", {"run": number}),)
    if run.wanted == "cancel" or run.state == "cancelling":
        return ()
    cancel = Button("Cancel", "finetune cancel", {"name": number}, "danger")
    if run.state == "paused":
        return (Button("Resume", "finetune resume", {"run": number}, "good"), cancel)
    return (cancel,)


def answer_of(
    run: Run,
    dataset: str,
    losses: Sequence[Loss],
    now: int,
    *,
    avatar: str = "",
    picture: File | None = None,
    about: About = NOTHING,
) -> Answer:
    """The message that tells of a run as it is now."""
    return Answer(
        text_of(run, dataset, now, about),
        fields=fields_of(run, losses, now),
        picture=picture,
        buttons=buttons_of(run, avatar, released=about.released),
        private=about.asked,
    )


def end_of(
    run: Run, dataset: str, avatar: str = "", losses: Sequence[Loss] = (), about: About = NOTHING
) -> Answer:
    """What whoever launched the run is told once it has ended; it begins with the same words whenever it is said."""
    what = f"Training run {run.number} on `{dataset}`"
    if about.unasked is not None:
        text = f"✅ {what} has succeeded{_lasted(run)}. {about.unasked.message}"
    elif run.state == "succeeded" and run.model:
        text = (
            f"✅ {what} has succeeded{_lasted(run)}: try `{run.vendor}:{run.model}` before you activate it."
        )
        if held := held_out_of(losses):
            text += f" On rows that it was not trained on: {held}."
    elif run.state == "succeeded":
        text = f"✅ {what} has succeeded{_lasted(run)}."
    elif run.state == "failed":
        text = f"❌ {what} has failed{_lasted(run)}. {_sentence(run.error)}".rstrip()
    else:
        text = f"🛑 {what} was cancelled{_lasted(run)}."
    return Answer(text, buttons=buttons_of(run, avatar, released=about.released), private=False)


# -- the picture


def drawable(losses: Sequence[Loss]) -> bool:
    """Whether there is a curve to see: a point is none."""
    return any(sum(each.split == split for each in losses) > 1 for split in _SPLITS)


def picture_of(run: Run, losses: Sequence[Loss]) -> File:
    """The loss curve; drawing takes some milliseconds of a processor."""
    # The library for pictures takes a while to import.
    from bot.charts import Line, curve

    lines = [
        Line(name, [(float(each.step), each.loss) for each in _course(losses) if each.split == split])
        for split, name in _SPLITS.items()
    ]
    title = f"Loss of training run {run.number}"
    data = curve(title, [each for each in lines if each.points], x_label="step", y_label="loss")
    return File(f"{title}.png", data, "image/png")


# -- small words


def span(ms: int) -> str:
    """So long, as people say it: ``about 12 minutes``."""
    if ms < _MINUTE:
        return "less than a minute"
    minutes = round(ms / _MINUTE)
    if minutes < 90:
        return f"about {_count(minutes, 'minute')}"
    hours, rest = divmod(minutes, 60)
    if hours < 12:
        return f"about {_count(hours, 'hour')}" + (f" {rest} minutes" if rest > 1 else "")
    if hours < 36:
        return f"about {hours} hours"
    return f"about {round(ms / _DAY)} days"


def _count(number: int, of: str) -> str:
    return f"{number} {of}" if number == 1 else f"{number} {of}s"


def _lasted(run: Run) -> str:
    if run.ended_at is None or run.ended_at <= run.created_at:
        return ""
    return f" after {span(run.ended_at - run.created_at)}"


def _who(run: Run, where: Elsewhere | None = None) -> str:
    """Who trains."""
    if where is not None:
        return where.host
    return "this machine" if run.vendor in _HERE else run.vendor


def _at(run: Run, where: Elsewhere | None = None) -> str:
    if where is not None:
        return f"on {where.host}"
    return "on this machine" if run.vendor in _HERE else f"at {run.vendor}"


def _sentence(text: str) -> str:
    """A reason as a sentence in one line."""
    line = " ".join(text.split())
    return line if not line or line[-1] in ".!?" else f"{line}."


_BEFORE: Final = frozenset({"prepared", "uploading", "creating", "preparing", "queued"})
_SPLITS: Final[Mapping[str, str]] = {"train": "training", "validation": "validation"}
_STATES: Final[Mapping[str, str]] = {
    "prepared": "🕐 It begins in a moment.",
    "uploading": "📤 Its rows are being brought to {who}.",
    "creating": "📤 It is being ordered {at}.",
    "preparing": "🔎 Its rows are being looked through {at}.",
    "queued": "🕐 It waits for its turn {at}.",
    "running": "⚙️ The model is being trained {at}.",
    "finishing": "🏁 The training is done; the model is being made ready {at}.",
    "paused": "⏸️ It is paused.",
    "cancelling": "🛑 It is being cancelled {at}.",
}
_WISHES: Final[Mapping[str, str]] = {
    "cancel": "Somebody has cancelled it",
    "pause": "Somebody has paused it",
    "resume": "Somebody has resumed it",
}
