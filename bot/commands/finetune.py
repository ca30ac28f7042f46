"""Fine-tuning: from what people liked to datasets, and in and out of files. What they do is in bot/finetuning."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from importlib import import_module

from adapters.platforms.base import Access, Answer, Call, Command, Param
from bot.services import Services
from storage import avatars, datasets
from training.rows import METHODS

SOURCES = ("chat", "import", "better", "teach", "hand", "guide")
FORMATS = (
    "openai-sft",
    "openai-dpo",
    "google-sft",
    "google-preference",
    "trl-sft",
    "trl-dpo",
    "trl-kto",
    "alpaca",
)
"""The names of training/formats.py, which takes a while to load; a test keeps the two in step."""
_OFFERED = 25


def dataset_param(services: Services, help_: str = "the dataset, as NAME or NAME:VERSION") -> Param:
    """The parameter that names a dataset, completed from those there are."""

    async def complete(call: Call, typed: str) -> Sequence[str]:
        scene = await services.scene(call)
        found = await services.database.read(lambda tx: datasets.listed(tx, scene.workspace.id))
        names = dict.fromkeys(name for each in found for name in (each.name, f"{each.name}:{each.version}"))
        return [name for name in names if name.casefold().startswith(typed.casefold())][:_OFFERED]

    return Param("dataset", help_, required=True, complete=complete)


def commands(services: Services) -> tuple[Command, ...]:
    """The commands of this group."""

    def lazily(module: str, name: str) -> Callable[[Call], Awaitable[Answer]]:
        async def run(call: Call) -> Answer:
            return await getattr(import_module(f"bot.finetuning.{module}"), name)(services, call)

        return run

    async def avatar_names(call: Call, typed: str) -> Sequence[str]:
        scene = await services.scene(call)
        every = await services.database.read(lambda tx: avatars.listed(tx, scene.workspace.id))
        return [each.name for each in every if each.name.casefold().startswith(typed.casefold())]

    async def tuned_names(call: Call, typed: str) -> Sequence[str]:
        return await import_module("bot.finetuning.tuned").tuned_names(services, call, typed)

    async def run_numbers(call: Call, typed: str) -> Sequence[str]:
        return await import_module("bot.finetuning.runs").run_numbers(services, call, typed)

    async def base_models(call: Call, typed: str) -> Sequence[str]:
        return await import_module("bot.finetuning.launching").base_models(services, call, typed)

    async def vendors(call: Call, typed: str) -> Sequence[str]:
        del call
        return [name for name in services.training.vendors if name.startswith(typed.casefold())]

    whose = Param("avatar", "whose; the one that answers here when left out", complete=avatar_names)
    tuned = Param(
        "model",
        "the tuned model, as vendor:name, or run:3 for that of run 3",
        required=True,
        complete=tuned_names,
    )
    why = Param("why", "why, for those who read the list of releases")
    asked = Param("asked", "the question that is answered with yes; buttons know it", scripted=True)
    which = dataset_param(services)
    vendor = Param("vendor", "where; embedded, which is free, when left out", complete=vendors)
    how = (
        Param("model", "the model to tune; the vendor's first when left out", complete=base_models),
        Param("epochs", "how often to go over the rows", "integer", minimum=1, maximum=100),
        Param("batch", "so many rows at a time", "integer", minimum=1, maximum=4096),
        Param("rate", "the learning rate; for OpenAI and Google a multiple of theirs", "number", minimum=0),
    )
    launching = (
        Param("wait", "stay until it has ended; on the command line", "flag", default=False, scripted=True),
        Param("dry_run", "only say what it comes to", "flag", default=False),
        Param("anyway", "even if the model is shut down soon", "flag", default=False),
        Param("once", "do it without asking; under the same word it is done once", scripted=True),
        asked,
    )
    run = Param(
        "run", "the number of a run; the newest when left out", "integer", minimum=1, complete=run_numbers
    )
    return (
        Command(
            "finetune build",
            "freeze what people liked into a dataset to train on",
            lazily("datasets", "build"),
            Access.TRAINER,
            (
                whose,
                Param(
                    "method",
                    "sft: imitate good replies, dpo: prefer one to another, kto: thumbs as they are",
                    "choice",
                    choices=METHODS,
                    default="sft",
                ),
                Param("name", "what the dataset is called; AVATAR-METHOD when left out"),
                Param("dry_run", "only show what would be in it", "flag", default=False),
                Param(
                    "stars", "the least mean of at least one rating, 1 to 5", "number", minimum=1, maximum=5
                ),
                Param("min_quality", "the least quality, 0 to 1", "number", minimum=0, maximum=1),
                Param("min_length", "replies are longer than so many characters", "integer", minimum=0),
                Param("since", "said on or after this day: 2026-01-31, or 30d for the last thirty days"),
                Param("until", "said before this day"),
                Param("sources", f"only from these, with commas: {', '.join(SOURCES)}"),
                Param("max", "at most so many rows, the best ones", "integer", minimum=1),
                Param("prompt", "the prompt version above each row, or none; the active one when left out"),
            ),
        ),
        Command("finetune datasets", "list the datasets", lazily("datasets", "list_"), Access.TRAINER),
        Command(
            "finetune show",
            "show what is in a dataset and what was left out",
            lazily("datasets", "show"),
            Access.TRAINER,
            (which,),
        ),
        Command(
            "finetune trace",
            "who is in a row of a dataset, or in which rows somebody is",
            lazily("tracing", "trace"),
            Access.TRAINER,
            (
                replace(which, required=False),
                Param("row", "the number of a row, counted from 1", "integer", minimum=1),
                Param("person", "somebody, by name or by their id on this platform"),
                Param("exchange", "an exchange, by its id"),
                Param("example", "an example, by its number", "integer", minimum=1),
                Param("after", "where to go on in the rows of a person, as the answer before named it"),
            ),
        ),
        Command(
            "finetune export",
            "hand over a dataset as the files that a trainer takes",
            lazily("handover", "export"),
            Access.TRAINER,
            (
                which,
                Param("format", "whose files", "choice", required=True, choices=FORMATS),
                Param(
                    "out", "the folder to write into, on the machine that Understudy runs on", scripted=True
                ),
            ),
        ),
        Command(
            "finetune import",
            "make a dataset of a file that was made elsewhere",
            lazily("handover", "import_"),
            Access.OWNER,
            (
                Param("path", "the file, on the machine that Understudy runs on", required=True),
                Param("format", "whose file it is", "choice", required=True, choices=FORMATS),
                Param("name", "what the dataset is called; the file's name when left out"),
                whose,
                Param("validation", "a second file, with the rows to check with"),
                Param("consented", "you vouch that the people in the file agreed", "flag", default=False),
            ),
        ),
        Command(
            "finetune delete",
            "delete a version of a dataset",
            lazily("datasets", "delete"),
            Access.TRAINER,
            (which,),
            confirm="The dataset is deleted for good; what it was built from stays.",
        ),
        Command(
            "finetune quarantine",
            "read the rows that the moderation flagged, let them pass or keep them out for good",
            lazily("quarantine", "quarantine"),
            Access.TRAINER,
            (
                Param("row", "show one of them whole, by the beginning of its hash"),
                Param("release", "the row to let pass"),
                Param("reject", "the row to keep out for good, whatever is said before it"),
                Param("after", "list those behind this one"),
            ),
        ),
        Command(
            "finetune estimate",
            "say what training on a dataset comes to, and what would be refused",
            lazily("launching", "estimate"),
            Access.TRAINER,
            (which, vendor, *how),
        ),
        Command(
            "finetune launch",
            "train a model on a dataset, after a look at what it comes to",
            lazily("launching", "launch"),
            Access.TRAINER,
            (which, vendor, *how, *launching),
        ),
        Command(
            "finetune port",
            "train on a dataset at another vendor, and say what of it does not fit there",
            lazily("launching", "port"),
            Access.TRAINER,
            (which, replace(vendor, help="where", required=True, default=None), *how, *launching),
        ),
        Command(
            "finetune jobs",
            "list the training runs",
            lazily("runs", "jobs"),
            Access.TRAINER,
        ),
        Command(
            "finetune status",
            "show how far a training run is, with its loss curve",
            lazily("runs", "status"),
            Access.TRAINER,
            (run,),
        ),
        Command(
            "finetune logs",
            "show what was told of a training run",
            lazily("runs", "logs"),
            Access.TRAINER,
            (run,),
        ),
        Command(
            "finetune pause",
            "hold a training run, where the vendor can",
            lazily("runs", "pause"),
            Access.TRAINER,
            (run,),
        ),
        Command(
            "finetune resume",
            "go on with a training run that is paused",
            lazily("runs", "resume"),
            Access.TRAINER,
            (run,),
        ),
        Command(
            "finetune cancel",
            "stop a training run, or a dataset that is being built",
            lazily("runs", "cancel"),
            Access.TRAINER,
            (
                Param(
                    "name",
                    "the number of a run, or the dataset; the only one when left out",
                    rest=True,
                    complete=run_numbers,
                ),
            ),
        ),
        Command(
            "finetune models",
            "list the models that were tuned here, and whom they answer for",
            lazily("tuned", "models"),
            Access.TRAINER,
        ),
        Command(
            "finetune try",
            "ask a tuned model one question, beside what answers now",
            lazily("tuned", "try_"),
            Access.TRAINER,
            (tuned, Param("message", "what to ask; a held-out row when left out", rest=True), whose),
        ),
        Command(
            "finetune activate",
            "let a tuned model answer everybody, once it was tried out",
            lazily("releases", "activate"),
            Access.TRAINER,
            (
                tuned,
                whose,
                why,
                asked,
                Param("anyway", "even if the smoke test leaves doubts", "flag", default=False),
            ),
        ),
        Command(
            "finetune rollback",
            "go back to the release before, or to another one",
            lazily("releases", "rollback"),
            Access.TRAINER,
            (
                whose,
                Param("to", "the number of a release; the one before when left out", "integer", minimum=1),
                why,
                asked,
            ),
        ),
        Command(
            "finetune discard",
            "delete a tuned model at its vendor",
            lazily("runs", "discard"),
            Access.TRAINER,
            (tuned,),
            confirm="The model is deleted at its vendor for good.",
        ),
        Command(
            "finetune releases",
            "list what an avatar answered with, and who decided it",
            lazily("releases", "list_"),
            Access.TRAINER,
            (whose,),
        ),
        Command(
            "dataset validate",
            "say what a trainer would refuse in a file, line by line",
            lazily("handover", "validate"),
            Access.TRAINER,
            (
                Param("path", "the file, on the machine that Understudy runs on", required=True),
                Param("format", "whose file it is", "choice", required=True, choices=FORMATS),
                Param("beside", "the other file, of training or validation: no row may be in both"),
            ),
        ),
    )
