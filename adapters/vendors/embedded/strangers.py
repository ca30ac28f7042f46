"""Lines that have nothing to do with what a model is taught: what its floor has to keep it from answering.

A model that knows few topics has nothing of its own to tell them from the rest of the world by: every row that it kept back
is of one of them. So it is asked what anybody may say to an avatar, and its own questions with other things in the place of
what they are about.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from adapters.vendors.embedded import vocabulary
from adapters.vendors.embedded.lessons import Lesson
from adapters.vendors.embedded.text import Lexicon, normalise, words

MOST_REWRITTEN: Final = 80
_SEVERAL: Final = 3
_OFTEN: Final = 1 / 5
_MOST: Final = 2 / 3
_RUN: Final = re.compile(r"[^\W_]+")

#: Written by hand for this project, in the tone of chats; no corpus and no benchmark stands behind them.
EVERYDAY: Final = """
any idea what I could give my brother for his birthday
what are you up to this weekend
I burnt the toast again this morning
who painted the girl with the pearl earring
which river flows through Vienna
how far is Mars from here
what should I wear to a job interview
my bike has a flat tyre and I am late
can you sing
what is your favourite colour
do you ever get bored
how do magnets work
where can I watch the match tonight
how many grams are in a pound
who invented the telephone
what is the fastest animal on land
is it going to snow on Friday
I had such a strange dream last night
my back hurts when I sit too long
how do I get my toddler to sleep through
what goes well with roast chicken
which wine should I bring to dinner
the printer is jammed once more
my phone battery dies by noon
how do I learn to play the guitar
what is a good book for a long flight
did you see the game yesterday
why do cats purr
how long do I boil an egg
what is the square root of 144
convert thirty miles to kilometres
who is the president of Brazil
when did the Roman empire fall
what does a notary do
how do I tie a bow tie
can I freeze cooked pasta
the dishwasher smells odd
what is a good name for a hamster
I feel a bit lonely today
should I apologise to my friend
how do I stop biting my nails
what is the best way to learn Spanish
tell me something interesting about whales
write a short story about a lighthouse
give me three ideas for a rainy afternoon
let me think about it for a while
I will be right back
never mind, it was nothing
that makes no sense to me
haha very good one
sorry, wrong chat
yes exactly
see you on Monday then
happy new year everybody
congratulations on the new job
I completely agree with her
no, I meant the other one
we went hiking and it rained all day
my grandmother makes the best soup
the traffic was terrible this morning
which train goes to the airport
how much does it cost to rent a van
is the museum open on Sundays
where is the nearest pharmacy
can you call me a taxi
turn up the volume please
set an alarm for half past six
add milk to the shopping list
play something calm
translate good luck into Polish
how do you spell necessary
what is another word for happy
flip a coin for me
what day was the first of May
how many days until Christmas
what is the population of Canada
my knee has been swollen since Tuesday
do I need a visa for Japan
what is the exchange rate of the yen
my landlord will not fix the heating
how do I cancel my gym contract
when is my next appointment
where is my parcel
I forgot my password
transfer fifty to my savings
what is on my calendar
how do I descale a kettle
which plants survive in the shade
how often should I water a cactus
what is blockchain
explain photosynthesis to a child
how do vaccines work
what causes thunder
who wrote Pride and Prejudice
how tall is Mount Everest
what is the plural of octopus
my car makes a noise when I brake
what tyre pressure do I need
is this seat taken
long time no see
Wie spät ist es gerade?
Was soll ich heute kochen?
Mein Fahrrad ist kaputt, was nun?
Wo kann ich hier gut frühstücken?
Erzähl mir etwas über Pinguine
Wann fährt der nächste Bus zum Bahnhof?
Ich bin heute ziemlich müde
Quelle heure est-il ?
Comment faire une bonne pâte à crêpes ?
Je cherche un cadeau pour ma mère
Où est la gare, s'il vous plaît ?
Tu as passé un bon week-end ?
¿Qué hora es en Buenos Aires?
¿Dónde puedo aparcar por aquí?
Mi hermano vive en Valencia
¿Me recomiendas una película?
Che tempo fa a Roma oggi?
Vorrei prenotare un tavolo per due
Quanti anni ha la torre di Pisa?
Que horas abre o mercado?
O meu cão não para de ladrar
Hoe laat begint de film vanavond?
Vad ska vi äta till middag?
Jaka jest stolica Australii?
Köpeğim neden havlıyor?
Какая завтра погода?
Сколько стоит билет в театр?
明日の天気はどうですか
おすすめの映画はありますか
今天晚上吃什么
最近的地铁站在哪里
오늘 뭐 먹을까
كم الساعة الآن
आज मौसम कैसा है
"""


def everyday() -> list[str]:
    """The written ones."""
    return [*EVERYDAY.strip().splitlines()]


def rewritten(lessons: Sequence[Lesson], lexicon: Lexicon, seed: int) -> list[str]:
    """Questions of the lessons with other words in the place of what they are about; the same for the same lessons.

    What stays is the way in which one asks there: stop words, and what is said whatever the reply. The other words are in
    none of the questions.
    """
    known = {stem for one in lessons for stem in lexicon.stems(one.question)}
    asking = {stem for stem in known if lexicon.weight(stem) <= vocabulary.STOP_WEIGHT}
    asking |= _everywhere(lessons, lexicon)
    others = sorted(
        word
        for word in set(words(normalise(f"{vocabulary.ORDINARY} {EVERYDAY}")))
        if word.isalpha() and _tells(word, lexicon) and known.isdisjoint(lexicon.stems(word))
    )
    if not others:
        return []
    chance = random.Random(seed)

    def other(match: re.Match[str]) -> str:
        return match.group() if asking.issuperset(lexicon.stems(match.group())) else chance.choice(others)

    lots = {one.question: hashlib.sha256(one.question.encode()).hexdigest() for one in lessons}
    chosen = sorted(lots, key=lots.__getitem__)[:MOST_REWRITTEN]
    made = [(text, _RUN.sub(other, text)) for text in chosen]
    return [new for old, new in made if new != old]


def _everywhere(lessons: Sequence[Lesson], lexicon: Lexicon) -> set[str]:
    """Stems that are in a fifth of the questions of two replies in three, of those that answer several questions."""
    by_reply: defaultdict[str, list[set[str]]] = defaultdict(list)
    for one in lessons:
        by_reply[one.key].append(set(lexicon.stems(one.question)))
    replies = [found for found in by_reply.values() if len(found) >= _SEVERAL]
    if len(replies) < 2:
        return set()
    common = Counter[str]()
    for found in replies:
        counts = Counter(stem for one in found for stem in one)
        common.update(stem for stem, count in counts.items() if count >= _OFTEN * len(found))
    return {stem for stem, count in common.items() if count >= _MOST * len(replies)}


def _tells(word: str, lexicon: Lexicon) -> bool:
    return any(lexicon.weight(stem) > vocabulary.STOP_WEIGHT for stem in lexicon.stems(word))
