"""Fits and calibrates embedded:base, and prints how often it is right: ``python -m benchmarks.calibrate_embedded``.

Weights are fitted on labelled pairs of questions: the fitting half of tests/adapters/vendors/paraphrases.jsonl (split by a
hash of the taught question), and, from the sample data where it is present, pairs of one intent and lexical neighbours
of another intent (examples of retrieval_dev.jsonl) and neighbouring questions of different conversations. The floor is the
lowest at which at least 95 % of the replies are right on the other half and on both together, where each question meets
the eight closest candidates. Queries of retrieval_dev.jsonl are looked at only
afterwards, and so is the guide's own list of other words. ``--write`` puts the result into base.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from adapters.vendors.embedded.artefact import Artefact, dump
from adapters.vendors.embedded.fit import Pair, epochs, floor_for, log_loss, matrix
from adapters.vendors.embedded.similarity import FEATURES, Weights, features, score
from adapters.vendors.embedded.text import Lexicon

ROOT = Path(__file__).resolve().parent.parent
PARAPHRASES = ROOT / "tests/adapters/vendors/paraphrases.jsonl"
GUIDE = ROOT / "bot/guide/guide.toml"
BASE = ROOT / "adapters/vendors/embedded/base.json"
SEED = 20261121
#: Intents whose answer does not hang on a slot ("how busy is *the diner*"): only there one question's answer is another's.
ONE_ANSWER = frozenset(
    """are_you_a_bot do_you_have_pets flip_coin goodbye greeting tire_pressure user_name what_is_your_name
    who_do_you_work_for who_made_you credit_limit_change""".split()
)


@dataclass(frozen=True, slots=True)
class Trial:
    """A question, the candidates that retrieval would bring, and which of them answer it."""

    question: str
    candidates: tuple[str, ...]
    right: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of ``asked`` questions (``answerable`` of them), ``answered`` got a reply, ``right`` of these the right one."""

    asked: int
    answerable: int
    answered: int
    right: int


def read(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON Lines file; none when it is absent."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def held_out(taught: str) -> bool:
    """Whether a taught question belongs to the half that is kept for validation."""
    return hashlib.sha256(taught.casefold().encode()).digest()[0] % 2 == 0


def closest(lexicon: Lexicon, question: str, pool: Sequence[str], count: int) -> list[int]:
    """Numbers of the ``count`` texts of ``pool`` that overlap most with ``question``."""
    both = FEATURES.index("coverage_both")
    return sorted(range(len(pool)), key=lambda at: -features(lexicon, question, pool[at])[both])[:count]


def paraphrase_trials(lexicon: Lexicon, rows: Sequence[dict[str, Any]]) -> list[Trial]:
    """Each asked question before the eight closest of all taught questions, near misses among them."""
    taught = sorted({row["question"] for row in rows})
    fits = {(row["question"], _plain(row["asked"])) for row in rows if row["same"]}
    fits |= {(one, _plain(one)) for one in taught}
    trials: list[Trial] = []
    for row in rows:
        near = [taught[at] for at in closest(lexicon, row["asked"], taught, 8)]
        if row["question"] not in near:
            near[-1] = row["question"]
        # A near miss of one question may be another taught question, or a paraphrase of it: then that one is right.
        right = tuple((one, _plain(row["asked"])) in fits for one in near)
        trials.append(Trial(row["asked"], tuple(near), right))
    return trials


def _plain(text: str) -> str:
    return text.casefold().strip(" ?!.")


def paraphrase_pairs(lexicon: Lexicon, rows: Sequence[dict[str, Any]]) -> tuple[list[Pair], list[int]]:
    """The written pairs, and each asked question beside its closest and some other taught questions."""
    chance = random.Random(SEED)
    pairs: list[Pair] = []
    labels: list[int] = []
    for trial, row in zip(paraphrase_trials(lexicon, rows), rows, strict=True):
        for at, (candidate, right) in enumerate(zip(trial.candidates, trial.right, strict=True)):
            written = candidate == row["question"]
            if written or at < 3 or chance.random() < 0.2:
                pairs.append(Pair(row["asked"], candidate, weight=4.0 if written else 2.0))
                labels.append(int(right))
    return pairs, labels


def intent_pairs(lexicon: Lexicon, rows: Sequence[dict[str, Any]]) -> tuple[list[Pair], list[int]]:
    """Examples beside their closest neighbours: of the same intent where it has one answer, and of other intents."""
    chance = random.Random(SEED)
    examples = [row for row in rows if row["kind"] == "example"]
    pairs: list[Pair] = []
    labels: list[int] = []
    for asked in chance.sample(examples, min(400, len(examples))):
        pool = [row for row in chance.sample(examples, 300) if row is not asked]
        same = [row["text"] for row in pool if row["label"] == asked["label"]]
        others = [row["text"] for row in pool if row["label"] != asked["label"]]
        for number in closest(lexicon, asked["text"], others, 3):
            pairs.append(Pair(asked["text"], others[number], weight=0.5))
            labels.append(0)
        if asked["label"] in ONE_ANSWER:
            for number in closest(lexicon, asked["text"], same, 2):
                pairs.append(Pair(asked["text"], same[number], weight=0.5))
                labels.append(1)
    return pairs, labels


def conversation_pairs(lexicon: Lexicon, rows: Sequence[dict[str, Any]]) -> tuple[list[Pair], list[int]]:
    """A conversation's title beside its whole first message (1), and questions of different conversations (0)."""
    chance = random.Random(SEED)
    wanted = [row for row in rows if row["source"] in ("counselchat", "oasst", "medquad_womens_health")]
    firsts = {
        row["turns"][0]["content"]: row["turns"][1]["content"] for row in wanted if len(row["turns"]) > 1
    }
    pool = sorted(firsts)
    pairs: list[Pair] = []
    labels: list[int] = []
    for asked in chance.sample(pool, min(150, len(pool))):
        title = asked.splitlines()[0]
        others = [one for one in chance.sample(pool, min(80, len(pool))) if one.splitlines()[0] != title]
        if title != asked:
            pairs.append(Pair(title, asked, firsts[asked], 0.5))
            labels.append(1)
        for number in closest(lexicon, title, others, 2):
            pairs.append(Pair(title, others[number], firsts[others[number]], 0.5))
            labels.append(0)
    return pairs, labels


def intent_trials(lexicon: Lexicon, rows: Sequence[dict[str, Any]], labels: frozenset[str]) -> list[Trial]:
    """Queries of some intents before the eight closest of all examples."""
    examples = {row["id"]: row["text"] for row in rows if row["kind"] == "example"}
    ids, texts = list(examples), list(examples.values())
    trials: list[Trial] = []
    for row in rows:
        if row["kind"] == "query" and row["label"] in labels:
            near = closest(lexicon, row["text"], texts, 8)
            gold = set(row["gold"])
            trials.append(
                Trial(row["text"], tuple(texts[at] for at in near), tuple(ids[at] in gold for at in near))
            )
    return trials


def guide_trials(lexicon: Lexicon, path: Path, taught: bool) -> list[Trial]:
    """The guide's questions asked in the other words listed beside them, with their own example to be found or not."""
    if not path.exists():
        return []
    examples = tomllib.loads(path.read_text(encoding="utf-8"))["examples"]
    questions = [str(example["question"]) for example in examples]
    trials: list[Trial] = []
    for at, example in enumerate(examples):
        pool = [text for number, text in enumerate(questions) if taught or number != at]
        for asked in example.get("also", ()):
            near = [pool[number] for number in closest(lexicon, asked, pool, 8)]
            trials.append(Trial(asked, tuple(near), tuple(one == questions[at] for one in near)))
    return trials


def decide(lexicon: Lexicon, weights: Weights, trials: Sequence[Trial]) -> tuple[list[float], list[int]]:
    """For each trial the best score and whether the candidate that has it is right."""
    scores: list[float] = []
    right: list[int] = []
    for trial in trials:
        found = [score(lexicon, weights, trial.question, one) for one in trial.candidates]
        best = max(range(len(found)), key=found.__getitem__)
        scores.append(found[best])
        right.append(int(trial.right[best]))
    return scores, right


def outcome(lexicon: Lexicon, weights: Weights, trials: Sequence[Trial]) -> Outcome:
    """How the trials end at the floor."""
    scores, right = decide(lexicon, weights, trials)
    given = [ok for value, ok in zip(scores, right, strict=True) if value >= weights.floor]
    return Outcome(len(trials), sum(any(trial.right) for trial in trials), len(given), sum(given))


def main() -> None:
    """Fit, calibrate, print, and write when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="the sample data")
    parser.add_argument("--write", action="store_true", help="write base.json")
    parser.add_argument("--wrong", action="store_true", help="print what goes wrong on the validation half")
    options = parser.parse_args()

    lexicon = Lexicon(cache_size=50_000)
    written = read(PARAPHRASES)
    fitting = [row for row in written if not held_out(row["question"])]
    keeping = [row for row in written if held_out(row["question"])]
    intents = read(options.data / "retrieval_dev.jsonl")
    conversations = read(options.data / "conversations.jsonl")
    if not intents:
        print(f"{options.data} is absent: fitted on the written paraphrases alone")

    pairs: list[Pair] = []
    labels: list[int] = []
    for more, marks in (
        paraphrase_pairs(lexicon, fitting),
        intent_pairs(lexicon, intents),
        conversation_pairs(lexicon, conversations),
    ):
        pairs += more
        labels += marks
    rows, wanted = matrix(pairs, lexicon), np.array(labels, dtype=np.float64)
    importance = np.array([pair.weight for pair in pairs])
    *_, last = epochs(rows, wanted, importance)
    kept_trials = paraphrase_trials(lexicon, keeping)
    fitted_trials = paraphrase_trials(lexicon, fitting)
    # The half that was fitted has its say too, when it is the stricter one.
    floor = max(
        floor_for(*decide(lexicon, last.weights, trials))
        for trials in (kept_trials, [*kept_trials, *fitted_trials])
    )
    weights = replace(last.weights, floor=floor)

    kept_pairs, kept_labels = paraphrase_pairs(lexicon, keeping)
    kept_loss = log_loss(weights, matrix(kept_pairs, lexicon), np.array(kept_labels, dtype=np.float64))
    print(
        f"{len(pairs)} pairs ({sum(labels)} fit); log loss {last.loss:.3f} fitting, {kept_loss:.3f} held out"
    )
    for name, value in zip(FEATURES, weights.values, strict=True):
        print(f"  {name:<20} {value:+.2f}")
    print(f"  {'bias':<20} {weights.bias:+.2f}\n  {'floor':<20} {weights.floor:.3f}\n")

    queries = frozenset(row["label"] for row in intents if row["kind"] == "query")
    results: dict[str, Outcome] = {}
    for name, trials in (
        ("paraphrases, fitting half", fitted_trials),
        ("paraphrases, held-out half", kept_trials),
        ("intents with one answer", intent_trials(lexicon, intents, ONE_ANSWER & queries)),
        ("intents with slots", intent_trials(lexicon, intents, queries - ONE_ANSWER - {"oos"})),
        ("out of scope", intent_trials(lexicon, intents, frozenset({"oos"}))),
        ("guide in other words", guide_trials(lexicon, GUIDE, taught=True)),
        ("guide without the answer", guide_trials(lexicon, GUIDE, taught=False)),
    ):
        if trials:
            results[name] = outcome(lexicon, weights, trials)
    print(
        f"{'set':<28}{'asked':>7}{'answerable':>12}{'answered':>10}{'right':>7}{'precision':>11}{'recall':>8}"
    )
    for name, one in results.items():
        precision = f"{one.right / one.answered:.3f}" if one.answered else "-"
        recall = f"{one.right / one.answerable:.3f}" if one.answerable else "-"
        print(
            f"{name:<28}{one.asked:>7}{one.answerable:>12}{one.answered:>10}{one.right:>7}{precision:>11}{recall:>8}"
        )
    if options.wrong:
        _print_wrong(
            lexicon, weights, [*fitted_trials, *kept_trials, *guide_trials(lexicon, GUIDE, taught=True)]
        )
    if options.write:
        made = {
            "by": "python -m benchmarks.calibrate_embedded --write",
            "seed": SEED,
            "pairs": len(pairs),
            "from": ["tests/adapters/vendors/paraphrases.jsonl"]
            + (
                [
                    "clinc/oos-eval (CC-BY-3.0)",
                    "counselchat (MIT)",
                    "oasst (Apache-2.0)",
                    "MedQuAD (CC-BY-4.0)",
                ]
                if intents
                else []
            ),
            "held_out": {"log_loss": round(kept_loss, 4)},
        }
        BASE.write_text(dump(Artefact("base", weights, made=made)), encoding="utf-8")
        print(f"\nwrote {BASE.relative_to(ROOT)}")


def _print_wrong(lexicon: Lexicon, weights: Weights, trials: Sequence[Trial]) -> None:
    for trial in trials:
        found = [score(lexicon, weights, trial.question, one) for one in trial.candidates]
        best = max(range(len(found)), key=found.__getitem__)
        answered = found[best] >= weights.floor
        if answered and not trial.right[best]:
            print(f"  wrong {found[best]:.2f}  {trial.question!r} got {trial.candidates[best]!r}")
        elif not answered and any(trial.right):
            gold = trial.right.index(True)
            print(f"  lost  {found[gold]:.2f}  {trial.question!r} for {trial.candidates[gold]!r}")


if __name__ == "__main__":
    main()
