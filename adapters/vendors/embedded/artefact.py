"""Trained models of this vendor on disk: one JSON file each, ``<name>.json`` in the models directory.

Format ``understudy-embedded``, version 2 (version 1 has neither ``digest`` nor ``learned``)::

    {
      "format": "understudy-embedded",   always this
      "version": 2,                      a reader refuses a version that it does not know
      "digest": "9f86d081...",           SHA-256 of this object without its digest (``digest``): a file that was cut or
                                         changed by hand is refused
      "name": "counsel-3",               as in embedded:counsel-3
      "made": {...},                     anything that says how it was made: dataset, scores, date
      "features": ["coverage_question", ...],   similarity.FEATURES at the time of the fit, in order
      "weights": [1.5, ...],             one for each feature
      "bias": -3.0,
      "floor": 0.6,                      probability from which a reply is given, above 0, at most 1
      "terms": {"refund": 0.4, ...},     how telling single stems are, 0..1, where training changed it
      "pairs": [{"id": "...", "user": "...", "assistant": "..."}, ...],   what it was trained on and answers from
      "learned": {...}                   what training added (learned.py), null without
    }

``base.json`` in this package is of version 1, without terms and pairs.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from adapters.vendors.base import BadRequest, ModelNotFound, Shot
from adapters.vendors.embedded import learned as knowledge
from adapters.vendors.embedded.learned import Learned
from adapters.vendors.embedded.similarity import FEATURES, Weights

VENDOR: Final = "embedded"
FORMAT: Final = "understudy-embedded"
VERSION: Final = 2
VERSIONS: Final = (1, VERSION)
MAX_BYTES: Final = 256 * 1024 * 1024
MAX_PAIRS: Final = 200_000

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_CHECKPOINT: Final = re.compile(r".+-epoch-\d+")


@dataclass(frozen=True, slots=True)
class Artefact:
    """What a trained model is: a fitted similarity, word weights and the pairs that it answers from."""

    name: str
    weights: Weights
    pairs: tuple[Shot, ...] = ()
    terms: Mapping[str, float] = field(default_factory=dict[str, float])
    made: Mapping[str, object] = field(default_factory=dict[str, object])
    learned: Learned | None = None


def path_of(models_dir: Path | None, name: str) -> Path:
    """Where the artefact ``name`` lies. Raises ``ModelNotFound`` for a name that cannot be one or has no file."""
    if models_dir is None or not _NAME.fullmatch(name):
        raise ModelNotFound(f"There is no model embedded:{name}.", vendor=VENDOR)
    path = models_dir / f"{name}.json"
    if not path.is_file():
        raise ModelNotFound(
            f"There is no model embedded:{name}; its file {path.name} is missing.", vendor=VENDOR
        )
    return path


def names(models_dir: Path | None) -> list[str]:
    """The names of the artefacts in a directory, sorted; a directory that is missing has none.

    Checkpoints are left out: they are known to whoever trained them, and answer from that one's rows.
    """
    if models_dir is None or not models_dir.is_dir():
        return []
    found = (path.stem for path in models_dir.glob("*.json"))
    return sorted(name for name in found if _NAME.fullmatch(name) and not _CHECKPOINT.fullmatch(name))


def checkpoint(model: str, epoch: int) -> str:
    """What the state of a model after an epoch is called."""
    return f"{model}-epoch-{epoch}"


def load(path: Path) -> Artefact:
    """Read and check an artefact. Raises ``BadRequest``, with what is wrong, and ``ModelNotFound`` when it is gone."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadRequest(f"{path.name} is larger than {MAX_BYTES} bytes.", vendor=VENDOR)
        return parse(json.loads(path.read_bytes()))
    except FileNotFoundError as error:
        raise ModelNotFound(f"The model file {path.name} is missing.", vendor=VENDOR) from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise BadRequest(f"{path.name} is no model of this vendor: {reason}.", vendor=VENDOR) from error
    except OSError as error:
        raise BadRequest(f"{path.name} cannot be read: {error.strerror}.", vendor=VENDOR) from error


def parse(document: object) -> Artefact:
    """An artefact from its JSON. Raises ``ValueError``, ``TypeError`` or ``KeyError`` when it is not valid."""
    if not isinstance(document, dict):
        raise TypeError("it is not a JSON object")
    data = cast(dict[str, Any], document)
    if data.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    version = data.get("version")
    if version not in VERSIONS:
        raise ValueError(f"its version is {version!r} and this program reads {VERSION}")
    if version == VERSION and data.get("digest") != digest(data):
        raise ValueError("it is damaged, its digest is not that of its content; train it again")
    if tuple(data["features"]) != FEATURES:
        raise ValueError("it was fitted with other features; train it again")
    pairs = tuple(
        Shot(_text(one, "user"), _text(one, "assistant"), _text(one, "id")) for one in data["pairs"]
    )
    if len(pairs) > MAX_PAIRS:
        raise ValueError(f"it has more than {MAX_PAIRS} pairs")
    terms = {str(stem): _share(value) for stem, value in dict(data["terms"]).items()}
    weights = Weights(tuple(map(float, data["weights"])), float(data["bias"]), float(data["floor"]))
    learned = data.get("learned")
    return Artefact(
        _text(data, "name"),
        weights,
        pairs,
        terms,
        dict(data["made"]),
        knowledge.from_json(learned) if learned is not None else None,
    )


def digest(document: Mapping[str, object]) -> str:
    """The SHA-256, in hexadecimal digits, of an artefact's JSON without its digest: keys sorted, no spaces, ASCII."""
    content = {key: value for key, value in document.items() if key != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def dump(artefact: Artefact) -> str:
    """The JSON of an artefact: what ``load`` reads, the same text for the same artefact."""
    weights = artefact.weights
    document: dict[str, object] = {
        "format": FORMAT,
        "version": VERSION,
        "digest": "",
        "name": artefact.name,
        "made": dict(artefact.made),
        "features": list(FEATURES),
        "weights": [round(value, 6) for value in weights.values],
        "bias": round(weights.bias, 6),
        "floor": round(weights.floor, 6),
        "terms": {stem: round(value, 6) for stem, value in sorted(artefact.terms.items())},
        "pairs": [{"id": one.id, "user": one.user, "assistant": one.assistant} for one in artefact.pairs],
        "learned": knowledge.to_json(artefact.learned) if artefact.learned is not None else None,
    }
    document["digest"] = digest(document)
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def save(artefact: Artefact, models_dir: Path) -> Path:
    """Write ``<name>.json`` whole or not at all, and return its path. Raises ``ValueError`` for a name unfit for a file."""
    if artefact.name == "base" or not _NAME.fullmatch(artefact.name):
        raise ValueError(f"{artefact.name!r} cannot be the name of a model")
    models_dir.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=models_dir, prefix=f".{artefact.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(dump(artefact))
            file.flush()
            os.fsync(file.fileno())
        path = models_dir / f"{artefact.name}.json"
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def drop_unfinished(models_dir: Path, name: str) -> None:
    """Delete what a crash left of writing this model or its checkpoints: it holds rows too."""
    for path in models_dir.glob(f".{name}[.-]*.tmp"):
        path.unlink(missing_ok=True)


@cache
def base() -> Artefact:
    """The model that ships with the program."""
    return load(Path(__file__).with_name("base.json"))


def _text(data: object, key: str) -> str:
    value = cast(dict[str, Any], data)[key] if isinstance(data, dict) else None
    if not isinstance(value, str):
        raise TypeError(f"{key} is not a text")
    return value


def _share(value: object) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value) or not 0.0 <= value <= 1.0:
        raise ValueError("a term's weight is not between 0 and 1")
    return float(value)
