"""What training adds to the base similarity, as it is kept in an artefact: a matrix of word vectors and how to mix.

Pure Python, so that an artefact is read and checked without numpy.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Final, cast

MAX_FEATURES: Final = 8_000
MAX_DIMENSIONS: Final = 512
MAX_FEATURE_CHARS: Final = 400


@dataclass(frozen=True, slots=True)
class Mix:
    """How the logit of a pair is made: of the base similarity's logit, four cosines and a constant.

    ``question_*`` compare the question with the one that was answered before, ``reply_*`` with the reply; ``*_words`` by the
    words in common, weighed by how rare they are among the pairs, ``*_meaning`` by the learned vectors.
    """

    base: float = 1.0
    question_words: float = 0.0
    reply_words: float = 0.0
    question_meaning: float = 0.0
    reply_meaning: float = 0.0
    bias: float = 0.0

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, astuple(self))):
            raise ValueError("the mix must be finite numbers")

    def logit(self, base: float, cosines: Sequence[float]) -> float:
        """The logit that a pair fits, from the base's logit and the four cosines in the order above."""
        own = (self.question_words, self.reply_words, self.question_meaning, self.reply_meaning)
        return self.base * base + sum(w * c for w, c in zip(own, cosines, strict=True)) + self.bias


@dataclass(frozen=True, slots=True)
class Learned:
    """The vectors of ``features``: rows of signed bytes, each times its scale (float32), ``dimensions`` long.

    A text's vector is the sum of those of its features (``features.bag``), scaled to the length 1.
    """

    features: tuple[str, ...]
    dimensions: int
    rows: bytes
    scales: bytes
    mix: Mix

    def __post_init__(self) -> None:
        count = len(self.features)
        if not 0 < count <= MAX_FEATURES + 1 or len(set(self.features)) != count:
            raise ValueError("the learned features are none, too many or not different")
        if not 0 < self.dimensions <= MAX_DIMENSIONS:
            raise ValueError("the learned vectors have an impossible length")
        if len(self.rows) != count * self.dimensions or len(self.scales) != 4 * count:
            raise ValueError("the learned vectors do not match their features")
        if not all(map(math.isfinite, struct.unpack(f"<{count}f", self.scales))):
            raise ValueError("the learned vectors must be finite numbers")


def to_json(learned: Learned) -> dict[str, object]:
    """The JSON object of it."""
    mix = learned.mix
    return {
        "dimensions": learned.dimensions,
        "features": list(learned.features),
        "rows": base64.b64encode(learned.rows).decode(),
        "scales": base64.b64encode(learned.scales).decode(),
        "mix": {name: round(float(getattr(mix, name)), 6) for name in Mix.__slots__},
    }


def from_json(document: object) -> Learned:
    """What ``to_json`` made. Raises ``ValueError``, ``TypeError`` or ``KeyError`` when it is not valid."""
    if not isinstance(document, dict):
        raise TypeError("what was learned is not a JSON object")
    data = cast(dict[str, Any], document)
    features = tuple(data["features"])
    if not all(isinstance(one, str) and len(one) <= MAX_FEATURE_CHARS for one in features):
        raise TypeError("a learned feature is not a short text")
    mix = cast(Mapping[str, Any], data["mix"])
    return Learned(
        features,
        int(data["dimensions"]),
        _bytes(data["rows"]),
        _bytes(data["scales"]),
        Mix(**{name: float(mix[name]) for name in Mix.__slots__}),
    )


def _bytes(value: object) -> bytes:
    if not isinstance(value, str):
        raise TypeError("the learned vectors are not text")
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        raise ValueError("the learned vectors are not in base64") from None
