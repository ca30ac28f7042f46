"""Small models in this process, by transformers and PEFT, one answer at a time in a thread of its own.

The libraries are imported when a model is first asked, in that thread. They have no types here: all of theirs is ``Any``.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from adapters.vendors.base import (
    ChatRequest,
    Delta,
    Event,
    Finished,
    ModelNotFound,
    NotConfigured,
    Unavailable,
    Usage,
    VendorError,
)
from adapters.vendors.local.options import VENDOR
from adapters.vendors.local.train import EXTRA, TEMPLATE, shortened, system_in_question

T = TypeVar("T")

_NEW_TOKENS: Final = 512
_ADAPTERS: Final = 8  # that stay in memory beside a base model


class _Weights(Protocol):
    @property
    def base(self) -> str: ...
    @property
    def adapter(self) -> Path | None: ...


class _Loaded:
    """A base model with the adapters that were asked for; only the engine's thread touches it."""

    def __init__(self, base: str) -> None:
        torch, transformers = import_module("torch"), import_module("transformers")
        gpu = torch.cuda.is_available()
        dtype = torch.bfloat16 if gpu and torch.cuda.is_bf16_supported() else torch.float32
        self._torch: Any = torch
        self.device = "cuda" if gpu else "cpu"
        self._plain: Any = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=dtype).to(
            self.device
        )
        self._plain.eval()
        self._model: Any = None  # the same with adapters
        self._adapters: list[str] = []
        self._tokenizers: dict[str, Any] = {}
        self._base = base
        self.longest: int = getattr(self._plain.config, "max_position_embeddings", None) or 1 << 20

    def tokenizer(self, weights: _Weights) -> Any:
        """The one that the adapter was trained with: it has the template of its chats."""
        place = str(weights.adapter or self._base)
        if place not in self._tokenizers:
            found: Any = import_module("transformers").AutoTokenizer.from_pretrained(place)
            found.chat_template = found.chat_template or TEMPLATE
            self._tokenizers[place] = found
        return self._tokenizers[place]

    @contextmanager
    def model(self, weights: _Weights) -> Generator[Any]:
        """The model with these weights, and no others, while this is open."""
        if weights.adapter is None:
            if self._model is None:
                yield self._plain
            else:
                with self._model.disable_adapter():
                    yield self._model
            return
        # A name of PEFT's is part of the names of weights: no dots.
        name = f"a{abs(hash(weights.adapter)):x}"
        if name not in self._adapters:
            path = str(weights.adapter)
            if self._model is None:
                peft: Any = import_module("peft")
                self._model = peft.PeftModel.from_pretrained(self._plain, path, adapter_name=name)
                self._model.eval()
            else:
                self._model.load_adapter(path, adapter_name=name)
            self._adapters.append(name)
        self._model.set_adapter(name)
        yield self._model
        while len(self._adapters) > _ADAPTERS:
            self._model.delete_adapter(self._adapters.pop(0))

    def ids(self, request: ChatRequest, weights: _Weights, most: int) -> Any:
        """The tokens of the conversation, at most ``most``: the oldest turns go first."""
        tokenizer = self.tokenizer(weights)
        messages = _messages(request)

        def text(messages: list[dict[str, str]]) -> str:
            return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

        def encoded(messages: list[dict[str, str]]) -> list[int]:
            try:
                said = text(messages)
            except Exception:  # noqa: BLE001  (a template raises what it likes)
                # Some templates know no system prompt.
                said = text(system_in_question(messages))
            return list(tokenizer(said, add_special_tokens=False)["input_ids"])

        def tail(text: str, tokens: int) -> str:
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            return str(tokenizer.decode(ids[len(ids) - min(tokens, len(ids)) :], skip_special_tokens=True))

        ids = encoded(messages)
        if len(ids) > most:
            cut = shortened(messages, lambda shorter: len(encoded(shorter)), tail, most)
            ids = encoded(cut) if cut is not None else ids[-most:]
        return self._torch.tensor([ids], device=self.device)

    def generate(
        self, request: ChatRequest, weights: _Weights, longest: int, streamer: Any = None, stop: Any = None
    ) -> tuple[int, list[int], bool]:
        """How many tokens went in, the tokens that came out, and whether it came to an end by itself."""
        limit = min(self.longest, longest)
        new = min(request.max_output_tokens or _NEW_TOKENS, limit // 2)
        ids = self.ids(request, weights, limit - new)
        tokenizer = self.tokenizer(weights)
        chosen: dict[str, Any] = {}
        if request.temperature is not None:
            chosen["do_sample"] = request.temperature > 0
            if request.temperature > 0:
                chosen["temperature"] = request.temperature
        with self.model(weights) as model, self._torch.inference_mode():
            out = model.generate(
                input_ids=ids,
                attention_mask=self._torch.ones_like(ids),
                max_new_tokens=new,
                pad_token_id=tokenizer.pad_token_id
                if tokenizer.pad_token_id is not None
                else tokenizer.eos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                streamer=streamer,
                stopping_criteria=stop,
                **chosen,
            )
        said = [int(token) for token in out[0, ids.shape[1] :]]
        return int(ids.shape[1]), said, len(said) < new or said[-1:] == [tokenizer.eos_token_id]

    def scores(self, request: ChatRequest, weights: _Weights, longest: int) -> Any:
        """The logits of the first token of an answer: one for each token of the vocabulary."""
        ids = self.ids(request, weights, min(self.longest, longest) // 2)
        with self.model(weights) as model, self._torch.inference_mode():
            return model(input_ids=ids).logits[0, -1].float().cpu()


class Engine:
    """Models that answer in this process. ``longest`` is the most tokens of a conversation with its answer."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="local-model")
        self._loaded: dict[str, _Loaded] = {}

    async def stream(self, request: ChatRequest, weights: _Weights) -> AsyncGenerator[Event]:
        """Answer; closing ends it at the next token. Raises ``VendorError``."""
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[str | None] = asyncio.Queue()
        stopped = threading.Event()

        def put(piece: str | None) -> None:
            try:
                loop.call_soon_threadsafe(pieces.put_nowait, piece)
            except RuntimeError:
                stopped.set()  # the loop was closed: nobody listens any more

        def answer() -> tuple[int, list[int], bool]:
            try:
                if stopped.is_set():
                    return 0, [], True
                loaded = self._load(weights)
                stop = import_module("transformers").StoppingCriteriaList([_Stop(stopped)])
                streamer = _streamer(loaded.tokenizer(weights), put)
                return loaded.generate(request, weights, self._longest, streamer, stop)
            finally:
                put(None)

        work = loop.run_in_executor(self._thread, lambda: self._explained(request.model, answer))
        try:
            while (piece := await pieces.get()) is not None:
                if piece:
                    yield Delta(piece)
            tokens_in, said, ended = await work
            yield Finished(Usage(tokens_in, len(said), 0.0), "stop" if ended else "length")
        finally:
            stopped.set()
            work.add_done_callback(_heard)

    async def compare(self, requests: Sequence[ChatRequest], weights: _Weights) -> tuple[int, float]:
        """How many answers differ from the base model's, and the largest difference of a score. Raises ``VendorError``."""
        plain = _Plain(weights.base)

        def work() -> tuple[int, float]:
            loaded, answers, largest = self._load(weights), 0, 0.0
            for request in requests:
                with_it, without = (
                    loaded.generate(request, each, self._longest) for each in (weights, plain)
                )
                answers += with_it[1] != without[1]
                scores, others = (loaded.scores(request, each, self._longest) for each in (weights, plain))
                largest = max(largest, float((scores - others).abs().max()))
            return answers, largest

        name = requests[0].model if requests else ""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: self._explained(name, work))

    async def close(self) -> None:
        """Forget the models; an answer that is being given ends first."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        self._loaded.clear()

    def _load(self, weights: _Weights) -> _Loaded:
        if weights.base not in self._loaded:
            try:
                self._loaded[weights.base] = _Loaded(weights.base)
            except (OSError, ValueError) as error:
                why = " ".join(str(error).split())[:200]
                text = (
                    f"{weights.base} is neither a folder with a model nor in the cache of Hugging Face: {why}"
                )
                raise ModelNotFound(text, vendor=VENDOR) from error
        return self._loaded[weights.base]

    def _explained(self, model: str, work: Callable[[], T]) -> T:
        try:
            return work()
        except ImportError as error:
            text = f"models in this process need {error.name}: {EXTRA}"
            raise NotConfigured(text, vendor=VENDOR) from error
        except (OSError, ValueError, RuntimeError) as error:  # torch's, when memory runs out among others
            why = " ".join(str(error).split())[:200]
            raise Unavailable(f"{model} cannot answer: {why}", vendor=VENDOR) from error


class _Plain:
    """A base model without an adapter."""

    adapter = None

    def __init__(self, base: str) -> None:
        self.base = base


class _Stop:
    """What transformers asks after each token."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped

    def __call__(self, ids: Any, scores: Any, **rest: Any) -> Any:
        torch: Any = import_module("torch")
        return torch.full((ids.shape[0],), self._stopped.is_set(), device=ids.device, dtype=torch.bool)


def _streamer(tokenizer: Any, put: Callable[[str], None]) -> Any:
    base: Any = import_module("transformers").TextStreamer

    class Streamer(base):
        """Gives out words as they are complete: a token may be a part of a character."""

        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            put(text)

    return Streamer(tokenizer, skip_prompt=True, skip_special_tokens=True)


def _messages(request: ChatRequest) -> list[dict[str, str]]:
    messages = [{"role": "system", "content": request.system}] if request.system else []
    for shot in request.shots:
        messages += [{"role": "user", "content": shot.user}, {"role": "assistant", "content": shot.assistant}]
    return [*messages, *({"role": turn.role, "content": turn.text} for turn in request.turns)]


def _heard(work: asyncio.Future[Any]) -> None:
    """Whoever closed the answer does not want to know why it failed."""
    if not work.cancelled() and isinstance(work.exception(), VendorError):
        pass
