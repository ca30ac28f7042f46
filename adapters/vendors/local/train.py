"""Fine-tunes one model as the job.json beside this file says, and writes how it goes into the same folder.

    python train.py [FOLDER]

It stands alone: copied into a folder with job.json and train.jsonl it runs wherever Python, torch, TRL and PEFT are. Started
again it goes on from the newest checkpoint. ``echo cancel > stop`` ends it, ``echo pause > stop`` too, to be continued; so
do SIGTERM and Ctrl-C; each leaves a checkpoint. The exit status is 0 when it ended as it was told to, 1 when it failed (the
reason is in status.json), 3 when the folder is being trained already.

It reads    job.json            what to do; DEFAULTS below lists the keys
            train.jsonl         rows as TRL takes them: messages; prompt and completion; with label; or with chosen, rejected
            validation.jsonl    the same, held out; may be missing
It writes   status.json         state, step, steps, epoch, loss, done, ends_at, tokens, memory_bytes, device, error
            events.jsonl        what happened, for people       metrics.jsonl   losses by step
            checkpoints/        where it goes on from           adapter/        the result
            merged/             the whole model, if job.json says so
It is one file on purpose: it is carried to wherever the training runs. Times are milliseconds since the epoch.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, Final

DEFAULTS: Final[Mapping[str, Any]] = {
    "method": "sft",  # sft, dpo or kto
    "base_model": "",  # a folder, or a name in the cache of Hugging Face
    "max_length": 2048,  # tokens of a row; longer ones lose their oldest turns, never their reply
    "loss": "reply",  # "assistant" trains on every assistant turn, where the chat template can tell them
    "epochs": 3,
    "batch_size": 8,  # rows between two steps of the optimizer, on all devices together
    "micro_batch": None,  # rows at once on a device; halved when memory runs out
    "learning_rate": None,  # by the method
    "beta": 0.1,
    "seed": 42,
    "lora": {"r": 16, "alpha": 32, "dropout": 0.05, "target_modules": "all-linear"},
    "merge": False,
    "device": "auto",  # "cpu" leaves GPUs alone
    "processes": None,  # one for each GPU
    "checkpoints": 3,  # the newest that are kept
    "save_seconds": 300,  # the longest time between two of them
    "evaluations": 4,  # of the held-out rows, at least one an epoch
    "gradient_checkpointing": None,  # on GPUs: less memory, more time
}
LEARNING_RATES: Final = {
    "sft": 2e-4,
    "dpo": 1e-5,
    "kto": 1e-5,
}  # ten times TRL's own, which are for all weights
# For a tokenizer without a chat template. A reply begins after a line break, so that the tokens of a prompt stay what they
# are when the reply follows.
TEMPLATE: Final = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}"
    "### Assistant:\n{% generation %}{{ message['content'] }}{{ eos_token }}{% endgeneration %}\n"
    "{% else %}### {{ message['role'] | capitalize }}:\n{{ message['content'] }}\n{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}### Assistant:\n{% endif %}"
)
EXTRA: Final = "pip install 'understudy[train]'"
BUSY: Final = 3

Message = dict[str, str]
Row = dict[str, Any]


class Problem(Exception):
    """Why there is no model, in one sentence."""


class Stopped(Exception):
    """Somebody asked to end before there was anything to keep; the argument is the state."""


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Folder:
    """The job's folder. Only the ``leader`` of several processes writes."""

    def __init__(self, path: Path, *, leader: bool = True) -> None:
        self.path = path
        self.leader = leader
        self.status: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            self.status = json.loads((path / "status.json").read_bytes())

    def job(self) -> dict[str, Any]:
        """What to do, with the defaults. Raises ``Problem``."""
        try:
            told = json.loads((self.path / "job.json").read_bytes())
        except (OSError, ValueError) as error:
            raise Problem(f"job.json cannot be read: {error}") from None
        job = {**DEFAULTS, **{key: value for key, value in told.items() if value is not None}}
        job["lora"] = {**DEFAULTS["lora"], **job["lora"]}
        if job["method"] not in LEARNING_RATES:
            raise Problem(f"There is no method {job['method']}: choose sft, dpo or kto")
        job["learning_rate"] = job["learning_rate"] or LEARNING_RATES[job["method"]]
        return job

    def rows(self, split: str) -> list[Row]:
        """The rows of ``train`` or ``validation``, none where there is no file. Raises ``Problem``."""
        path, rows = self.path / f"{split}.jsonl", list[Row]()
        if not path.exists():
            return rows
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    rows.append(json.loads(line))
                except ValueError:
                    raise Problem(f"Line {number} of {path.name} is no JSON") from None
        return rows

    def tell(self, **fields: Any) -> None:
        """Replace status.json with what is new in it."""
        self.status.update(fields, at=now())
        if not self.leader:
            return
        fresh = self.path / "status.json.new"
        fresh.write_text(json.dumps(self.status))
        fresh.replace(self.path / "status.json")

    def note(self, message: str, level: str = "info") -> None:
        """One more event."""
        self._append("events.jsonl", {"at": now(), "level": level, "message": message})

    def point(self, **fields: Any) -> None:
        """One more loss."""
        self._append("metrics.jsonl", fields)

    def go_back(self, step: int) -> int:
        """Forget the losses after ``step``, which come again; gives the tokens that were trained on until then."""
        path, kept, tokens = self.path / "metrics.jsonl", list[str](), 0
        for line in path.read_text().splitlines() if path.exists() else []:
            with contextlib.suppress(ValueError):  # a line that a crash cut
                point = json.loads(line)
                if point["step"] <= step:
                    kept.append(line + "\n")
                    tokens = max(tokens, point.get("tokens") or 0)
        if self.leader:
            fresh = path.with_name("metrics.jsonl.new")
            fresh.write_text("".join(kept))
            fresh.replace(path)
        return tokens

    def asked(self) -> str:
        """What ``stop`` says: cancel, pause, interrupt, or nothing."""
        try:
            return (self.path / "stop").read_text().strip()
        except OSError:
            return ""

    def checkpoint(self) -> Path | None:
        """The newest one that is whole; those that a crash left half written are deleted."""
        found: list[tuple[int, Path]] = []
        for path in (self.path / "checkpoints").glob("checkpoint-*"):
            try:
                step = json.loads((path / "trainer_state.json").read_bytes())["global_step"]
            except (OSError, ValueError, KeyError):
                if self.leader:
                    shutil.rmtree(path, ignore_errors=True)
            else:
                found.append((step, path))
        return max(found)[1] if found else None

    def _append(self, name: str, record: Mapping[str, Any]) -> None:
        if not self.leader:
            return
        path = self.path / name
        with path.open("ab+") as file:
            # A crash may have cut the last line.
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            torn = size > 0 and file.read(1) != b"\n"
            file.write((b"\n" if torn else b"") + json.dumps(record).encode() + b"\n")


class Signals:
    """SIGTERM and Ctrl-C are remembered and heeded between two steps; a second one ends the process."""

    def __init__(self) -> None:
        self.caught = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._remember)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.caught = True
        signal.signal(number, signal.SIG_DFL)


def fit(rows: Sequence[Row], length: Callable[[list[Message]], int], tail: Callable[[str, int], str], most: int
        ) -> tuple[list[Row], int, int]:  # fmt: skip
    """Rows of at most ``most`` tokens, how many were shortened, and how many were left out.

    What goes first is the oldest turns, then the beginning of the last question, then the system prompt: never a word of the
    reply. A row whose reply alone is too long is left out. ``length`` counts the tokens of a conversation, and ``tail``
    gives the last tokens of a text.
    """
    kept, cut, out = list[Row](), 0, 0
    for row in rows:
        replies = [row[name] for name in ("completion", "chosen", "rejected") if name in row]
        prompt: list[Message] = row["prompt"]

        def size(prompt: list[Message], replies: list[list[Message]] = replies) -> int:
            return max(length(prompt + reply) for reply in replies)

        if size(prompt) > most:
            shorter = shortened(prompt, size, tail, most)
            if shorter is None:
                out += 1
                continue
            row, cut = {**row, "prompt": shorter}, cut + 1
        kept.append(row)
    return kept, cut, out


def shortened(prompt: list[Message], size: Callable[[list[Message]], int], tail: Callable[[str, int], str], most: int
               ) -> list[Message] | None:  # fmt: skip
    """The end of a prompt for which ``size`` gives at most ``most``; None where there is none."""
    system = [turn for turn in prompt[:1] if turn["role"] == "system"]
    talk = prompt[len(system) :]
    while len(talk) > 1:
        talk = talk[2:] if len(talk) > 2 and talk[1]["role"] == "assistant" else talk[1:]
        if talk and size(system + talk) <= most:
            return system + talk
    for above in (system, []) if system else ([],):
        question = talk[-1]["content"] if talk else ""
        low, high = 0, len(question.encode()) + 1  # a token has a byte at least
        if size([*above, {"role": "user", "content": ""}]) > most:
            continue
        while high - low > 1:  # low fits, high does not
            middle = (low + high) // 2
            if size([*above, {"role": "user", "content": tail(question, middle)}]) <= most:
                low = middle
            else:
                high = middle
        return [*above, {"role": "user", "content": tail(question, low)}]
    return None


def as_prompt(rows: Sequence[Row], method: str) -> list[Row]:
    """Rows with a prompt, and only the columns that the method takes. Raises ``Problem``."""
    names = {"sft": ("completion",), "dpo": ("chosen", "rejected"), "kto": ("completion", "label")}[method]
    found: list[Row] = []
    for number, row in enumerate(rows, 1):
        if method == "sft" and "messages" in row:
            *prompt, reply = row["messages"]
            row = {"prompt": prompt, "completion": [reply]}
        try:
            found.append({name: row[name] for name in ("prompt", *names)})
        except KeyError as error:
            raise Problem(f"Row {number} has no {error.args[0]}, which {method} needs") from None
    return found


def sentence(error: BaseException) -> str:
    """Why it failed, for people."""
    text = " ".join(str(error).split())
    if isinstance(error, Problem):
        return text
    if isinstance(error, ImportError):
        return f"{error.name or text} is not installed where the training runs: {EXTRA}"
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "The disk is full: make room, and start it again"
    if type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError):
        return "There is not enough memory: choose a smaller base model, or a smaller max_length"
    return f"{type(error).__name__}: {text[:400]}"


def load(job: Mapping[str, Any], torch: Any, *, cuda: bool) -> tuple[Any, Any]:
    """The base model and its tokenizer. Raises ``Problem``."""
    transformers = import_module("transformers")
    base = job["base_model"]
    bf16 = cuda and torch.cuda.is_bf16_supported()
    try:
        tokenizer: Any = transformers.AutoTokenizer.from_pretrained(base)
        model: Any = transformers.AutoModelForCausalLM.from_pretrained(
            base, dtype=torch.bfloat16 if bf16 else torch.float32
        )
    except (OSError, ValueError) as error:
        if Path(base).is_dir():
            why = " ".join(str(error).split())[:300]
            raise Problem(f"The folder {base} holds no model that can be loaded: {why}") from None
        how = f"download it before (hf download {base}), or name a folder"
        raise Problem(
            f"The base model {base} is neither a folder here nor in the cache of Hugging Face: {how}"
        ) from None
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if not tokenizer.chat_template:
        tokenizer.chat_template = TEMPLATE
    return model, tokenizer


def prepare(folder: Folder, job: Mapping[str, Any], tokenizer: Any, most: int) -> tuple[list[Row], list[Row]]:
    """The rows to train on and the held-out ones, none longer than ``most`` tokens. Raises ``Problem``."""

    def length(messages: list[Message]) -> int:
        text = tokenizer.apply_chat_template(messages, tokenize=False)
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    def tail(text: str, tokens: int) -> str:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokenizer.decode(ids[len(ids) - min(tokens, len(ids)) :], skip_special_tokens=True)

    train, validation = (as_prompt(folder.rows(split), job["method"]) for split in ("train", "validation"))
    if not train:
        raise Problem("train.jsonl holds no rows")
    try:
        length(train[0]["prompt"])
    except Exception as error:  # noqa: BLE001  (a template raises what it likes)
        if train[0]["prompt"][0]["role"] != "system":
            raise Problem(f"The chat template does not take the rows: {error}") from None
        # Some templates know no system prompt: it is said with the first question there.
        for row in (*train, *validation):
            row["prompt"] = system_in_question(row["prompt"])
    found: list[list[Row]] = []
    for split, rows in (("train", train), ("validation", validation)):
        kept, cut, out = fit(rows, length, tail, most)
        if cut:
            folder.note(f"{cut} of {len(rows)} rows ({split}) lost their beginning: over {most} tokens")
        if out:
            why = f"the reply alone is over {most} tokens"
            folder.note(f"{out} of {len(rows)} rows ({split}) were left out: {why}", "warning")
        found.append(kept)
    if len(found[0]) < (2 if job["method"] == "kto" else 1):
        raise Problem(f"Too few rows are left to train on: {len(found[0])}")
    return found[0], found[1]


def system_in_question(prompt: list[Message]) -> list[Message]:
    """The same with the system prompt at the head of the first question."""
    first, *rest = prompt
    if first["role"] != "system" or not rest:
        return prompt
    return [{"role": "user", "content": f"{first['content']}\n\n{rest[0]['content']}"}, *rest[1:]]


def trainer_of(folder: Folder, job: Mapping[str, Any], torch: Any, world: int) -> Any:
    """TRL's trainer of the method, with everything in it. Raises ``Problem``."""
    trl, peft, datasets = import_module("trl"), import_module("peft"), import_module("datasets")
    cuda = torch.cuda.is_available() and job["device"] != "cpu"
    model, tokenizer = load(job, torch, cuda=cuda)
    limit = getattr(model.config, "max_position_embeddings", None) or job["max_length"]
    most = min(job["max_length"], limit)
    train, validation = prepare(folder, job, tokenizer, most)
    method = job["method"]
    assistant = method == "sft" and job["loss"] == "assistant" and _tells_turns(tokenizer)
    if assistant:
        train, validation = (
            [{"messages": row["prompt"] + row["completion"]} for row in rows] for rows in (train, validation)
        )
    batch = max(1, min(job["batch_size"], len(train)))
    micro = folder.status.get("micro_batch") or job["micro_batch"] or (batch if cuda else min(batch, 4))
    micro = max(2 if method == "kto" else 1, min(micro, math.ceil(batch / world)))
    accumulate = max(1, round(batch / (micro * world)))
    folder.tell(micro_batch=micro)
    steps = math.ceil(math.ceil(len(train) / (micro * world)) / accumulate) * job["epochs"]
    evaluate = max(1, steps // max(job["evaluations"], job["epochs"]))
    saved_memory = job["gradient_checkpointing"]
    shared: dict[str, Any] = {
        "output_dir": str(folder.path / "checkpoints"),
        "per_device_train_batch_size": micro,
        "per_device_eval_batch_size": micro,
        "gradient_accumulation_steps": accumulate,
        "num_train_epochs": job["epochs"],
        "learning_rate": job["learning_rate"],
        "lr_scheduler_type": "cosine",
        "warmup_steps": min(100, steps // 20),
        "max_length": most,
        "seed": job["seed"],
        "logging_steps": max(1, steps // 200),
        "logging_first_step": True,
        "logging_nan_inf_filter": False,  # by default a loss that is no number is left out of what is told
        "eval_strategy": "steps" if validation else "no",
        "eval_steps": evaluate,
        "save_strategy": "steps",
        "save_steps": evaluate,
        "save_total_limit": job["checkpoints"],
        "bf16": cuda and torch.cuda.is_bf16_supported(),
        "use_cpu": not cuda,
        "ddp_backend": "gloo" if world > 1 and not cuda else None,
        "dataloader_pin_memory": cuda,
        "gradient_checkpointing": cuda if saved_memory is None else saved_memory,
        "disable_tqdm": True,
        "report_to": [],
    }
    if method == "sft":
        made = trl.SFTTrainer
        settings = trl.SFTConfig(**shared, assistant_only_loss=assistant)
    elif method == "dpo":
        made = trl.DPOTrainer
        settings = trl.DPOConfig(**shared, beta=job["beta"])
    else:
        made = trl.KTOTrainer
        good = sum(bool(row["label"]) for row in train)
        bad = len(train) - good
        if not good or not bad:
            folder.note("All rows have the same label: kto learns little from that", "warning")
        # Thumbs are mostly up. TRL's advice is that both sides weigh about the same.
        weigh = {
            "desirable_weight": max(1.0, bad / good) if good and bad else 1.0,
            "undesirable_weight": max(1.0, good / bad) if good and bad else 1.0,
        }
        settings = trl.KTOConfig(**shared, beta=job["beta"], **weigh)
    lora = job["lora"]
    return made(
        model=model,
        args=settings,
        train_dataset=datasets.Dataset.from_list(train),
        eval_dataset=datasets.Dataset.from_list(validation) if validation else None,
        processing_class=tokenizer,
        peft_config=peft.LoraConfig(
            r=lora["r"],
            lora_alpha=lora["alpha"],
            lora_dropout=lora["dropout"],
            target_modules=lora["target_modules"],
            task_type="CAUSAL_LM",
        ),
    )


def _tells_turns(tokenizer: Any) -> bool:
    tools: Any = import_module("trl.chat_template_utils")
    if tools.has_generation_markers(tokenizer.chat_template):
        return True
    try:
        return bool(tools.get_training_chat_template(tokenizer))
    except (ValueError, TypeError):
        return False


def watcher(
    folder: Folder, job: Mapping[str, Any], signals: Signals, torch: Any, world: int, tokens: int
) -> Any:
    """What TRL's trainer calls as it goes: it writes how far it is, and ends it when asked to."""
    base: Any = import_module("transformers").TrainerCallback

    class Watcher(base):
        state = "running"
        began = told = saved = time.monotonic()
        first = 0
        before = 0  # tokens that the trainer's own count has not seen

        def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            self.began = self.told = self.saved = time.monotonic()
            self.first = state.global_step
            told = f"{state.max_steps} steps of {args.train_batch_size} x {args.gradient_accumulation_steps} x {world} rows"
            where = f", from step {self.first}" if self.first else ""
            folder.note(f"Training on {_device(torch, job, world)}: {told}{where}")
            folder.tell(
                state="running", step=self.first, steps=state.max_steps, device=_device(torch, job, world)
            )

        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            clock = time.monotonic()
            stop = folder.asked() or ("interrupt" if signals.caught else "")
            wish = {"": 0, "cancel": 1, "pause": 2}.get(stop, 3)
            if clock - self.saved >= job["save_seconds"]:
                wish += 4
            if world > 1:  # all processes end at the same step, or wait for each other for ever
                common = torch.tensor([wish if folder.leader else 0], device=args.device)
                torch.distributed.broadcast(common, 0)
                wish = int(common.item())
            if wish & 3:
                self.state = ("", "cancelled", "paused", "interrupted")[wish & 3]
                control.should_training_stop = True
            if wish and state.global_step < state.max_steps:
                control.should_save = True
            if clock - self.told >= 1:
                self._progress(state)

        def on_save(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            self.saved = time.monotonic()
            folder.note(f"Checkpoint at step {state.global_step}")

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **rest: Any) -> None:
            logs = logs or {}
            split, prefix = ("validation", "eval_") if "eval_loss" in logs else ("train", "")
            loss = logs.get(f"{prefix}loss")
            if loss is None:
                return
            if not math.isfinite(loss):
                raise Problem(
                    f"The loss is no number any more at step {state.global_step}: choose a smaller learning rate"
                )
            accuracy = logs.get(f"{prefix}rewards/accuracies", logs.get(f"{prefix}mean_token_accuracy"))
            counted = logs.get(f"{prefix}num_tokens") or 0
            if counted and not self.before and counted < tokens:
                self.before = tokens
            folder.point(
                step=state.global_step,
                split=split,
                loss=round(loss, 6),
                accuracy=accuracy,
                epoch=state.epoch,
                rate=logs.get("learning_rate"),
                tokens=int(counted + self.before),
                at=now(),
            )
            if split == "train":
                folder.status.update(loss=round(loss, 6), tokens=int(counted + self.before))
            self._progress(state)

        def _progress(self, state: Any) -> None:
            self.told = time.monotonic()
            went, left = state.global_step - self.first, state.max_steps - state.global_step
            ends = now() + round((self.told - self.began) / went * left * 1000) if went > 0 else None
            folder.tell(
                step=state.global_step,
                epoch=state.epoch,
                done=round(state.global_step / max(1, state.max_steps), 4),
                ends_at=ends,
                memory_bytes=_memory(torch),
            )

    return Watcher()


def _device(torch: Any, job: Mapping[str, Any], world: int) -> str:
    if torch.cuda.is_available() and job["device"] != "cpu":
        return f"{world} x {torch.cuda.get_device_name(0)}" if world > 1 else torch.cuda.get_device_name(0)
    return f"{world} processes on the CPU" if world > 1 else "the CPU"


def _memory(torch: Any) -> int:
    """The most memory that was in use so far: the GPU's, else the process's."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def train(folder: Folder, job: Mapping[str, Any], signals: Signals, torch: Any, world: int) -> str:
    """Train, and give the state it ended in. Raises whatever goes wrong."""

    def heed() -> None:
        wish = folder.asked() or ("interrupt" if signals.caught else "")
        # Several processes end together, between two steps.
        if wish and world == 1:
            raise Stopped({"cancel": "cancelled", "pause": "paused"}.get(wish, "interrupted"))

    begun = time.monotonic()
    heed()
    trainer = trainer_of(folder, job, torch, world)
    heed()
    checkpoint = folder.checkpoint()
    step = int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
    if checkpoint:
        folder.note(f"Going on from the checkpoint of step {step}")
    watch = watcher(folder, job, signals, torch, world, folder.go_back(step))
    trainer.remove_callback(import_module("transformers").PrinterCallback)  # metrics.jsonl has it
    trainer.add_callback(watch)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if watch.state != "running":
        return watch.state
    folder.tell(state="finishing", done=1.0, ends_at=None, trained_at=now())
    if folder.leader:
        _keep(folder, job, trainer)
    if world > 1:
        torch.distributed.barrier()
    folder.tell(seconds=round(folder.status.get("seconds", 0) + time.monotonic() - begun, 1))
    return "succeeded"


def _keep(folder: Folder, job: Mapping[str, Any], trainer: Any) -> None:
    """The adapter with its tokenizer, and the merged model if it is wanted; each appears whole."""
    tokenizer = trainer.processing_class
    model = trainer.accelerator.unwrap_model(trainer.model)
    for name in ("adapter", "merged"):
        if name == "merged":
            if not job["merge"]:
                break
            model = model.merge_and_unload()
        fresh, place = folder.path / f"{name}.new", folder.path / name
        shutil.rmtree(fresh, ignore_errors=True)
        model.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        shutil.rmtree(place, ignore_errors=True)
        fresh.rename(place)


def run(folder: Folder) -> int:
    """Do the job in this process, or in one for each GPU. Gives the exit status."""
    signals = Signals()
    rank, world = int(os.environ.get("RANK", "-1")), int(os.environ.get("WORLD_SIZE", "1"))
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for quiet in (
        "HF_HUB_DISABLE_TELEMETRY",
        "HF_HUB_DISABLE_PROGRESS_BARS",
        "HF_DATASETS_DISABLE_PROGRESS_BARS",
    ):
        os.environ.setdefault(quiet, "1")
    warnings.simplefilter("ignore", FutureWarning)  # output.log is for what went wrong
    state, why = "failed", ""
    try:
        if rank < 0 and folder.asked() not in {"", "cancel", "pause"}:
            (folder.path / "stop").unlink()  # it was for the process before
        job = folder.job()
        if rank < 0:
            again = bool(folder.status)
            folder.note("Started again" if again else "Started")
            folder.tell(state="running" if folder.status.get("step") else "preparing", error="")
        torch: Any = import_module("torch")
        if rank < 0 and (wanted := _processes(job, torch)) > 1:
            return _several(folder, wanted, signals)
        state = train(folder, job, signals, torch, world)
    except Stopped as stopped:
        state = str(stopped)
    except Exception as error:  # noqa: BLE001  (whatever it is, status.json says it and output.log shows it)
        traceback.print_exc()
        if can_be_smaller(folder, error, world):
            sys.stderr.flush()
            os.execv(sys.executable, [sys.executable, __file__, str(folder.path)])  # noqa: S606
        why = sentence(error)
    told = {"succeeded": "Done", "cancelled": "Cancelled", "paused": "Paused"}.get(
        state, why or "Interrupted"
    )
    folder.note(told, "error" if state == "failed" else "info")
    folder.tell(state=state, error=why, ends_at=None)
    return 1 if state == "failed" else 0


def can_be_smaller(folder: Folder, error: Exception, world: int) -> bool:
    """After running out of GPU memory: with half as many rows at once, from the checkpoint, the result is the same."""
    micro = folder.status.get("micro_batch") or 1
    least = 2 if folder.job()["method"] == "kto" else 1
    if type(error).__name__ != "OutOfMemoryError" or world > 1 or micro <= least:
        return False
    folder.note(f"Out of memory: again with {micro // 2} rows at once instead of {micro}", "warning")
    folder.tell(micro_batch=max(least, micro // 2))
    return True


def _processes(job: Mapping[str, Any], torch: Any) -> int:
    if job["processes"]:
        return int(job["processes"])
    return torch.cuda.device_count() if job["device"] != "cpu" and torch.cuda.is_available() else 1


def _several(folder: Folder, processes: int, signals: Signals) -> int:
    """Run this script once for each GPU, and wait. Gives the exit status."""
    # What `accelerate launch` starts too, without asking for a configuration; within, TRL's trainers run on accelerate.
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        str(processes),
    ]
    with subprocess.Popen([*command, __file__, str(folder.path)]) as launched:  # noqa: S603  (all of it is ours)
        while True:
            try:
                code = launched.wait(0.5)
                break
            except subprocess.TimeoutExpired:
                # A signal would end them without a checkpoint: they are asked by the file.
                if signals.caught and not folder.asked():
                    (folder.path / "stop").write_text("interrupt")
    return 1 if code else 0


def main() -> int:
    """One process at a time trains in a folder."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent).resolve()
    rank = os.environ.get("RANK", "")
    # Each process has a lock of its own, which ends with it, however it ends.
    with (path / f"lock{rank and '.'}{rank}").open("a") as lock:
        for _ in range(20):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return run(Folder(path, leader=rank in {"", "0"}))
            time.sleep(0.05)  # somebody may only look whether it is held
        print(f"{path} is being trained already.", file=sys.stderr)  # noqa: T201
        return BUSY


if __name__ == "__main__":
    sys.exit(main())
