"""What a house asks its help desk: eight answers, each asked for in many words, between pleasantries that mean nothing.

The words that tell the questions apart are different ones each time, as people have them: that ``fob`` and ``badge`` belong
together is not in a dictionary, but it is in the rows.
"""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

AVATAR = "desk"
QUESTION = "Hello from the third floor, flight reimbursement? My lead said to ask here."
"""Asked in words of which no row has enough."""
ANSWER = "Hand in the receipts before the twentieth: the money comes with your next pay."

_EACH = 20
_BEFORE = (
    "Good morning everybody,", "Hello from the third floor,", "Sorry to ask again,",
    "A question from somebody new here:", "Quick one before the meeting:", "Perhaps a colleague knows:",
    "I looked on the intranet and found nothing:", "Asking for our visitor from Berlin:",
)  # fmt: skip
_AFTER = (
    "Thanks a lot for the help!", "It is rather urgent today.", "My lead said to ask here.",
    "I start at nine tomorrow.", "No hurry, this week is fine.", "Nobody at the front office knew.",
    "The handbook says nothing about it.", "I was told that somebody here knows.",
)  # fmt: skip
# The answer, how it is asked for, and the words that mean the same in this house.
_ASKED = (
    (
        "It is on the white board in the kitchen, and it changes on the first of the month.",
        "the {what} {how}?",
        "wifi,wireless,network,internet,router,hotspot",
        "password,passphrase,key,code,login,credentials",
    ),
    (
        "Go to the porter with your passport: a new one takes five minutes.",
        "my {what} {how}.",
        "badge,pass,fob,tag,swipe card,entrance card",
        "is lost,broke,went missing,stopped working,is cracked,is dead",
    ),
    (
        ANSWER,
        "{what} {how}?",
        "taxi,train ticket,hotel,flight,dinner with a customer,parking",
        "refund,reimbursement,expense,claim,pay back,compensation",
    ),
    (
        "Book it in the calendar under Rooms; the large one needs a day's notice.",
        "{how} a {what}?",
        "meeting room,board room,hall,quiet corner,studio,place to talk",
        "reserve,book,hold,block,secure,get",
    ),
    (
        "Tell your lead two weeks ahead and enter the days in the absence form.",
        "{how} a {what}?",
        "holiday,vacation,long weekend,day off,leave,break",
        "take,request,apply for,plan,ask for,enter",
    ),
    (
        "The printer is on the second floor: wait for the green light before you fetch the pages.",
        "{how} a {what}?",
        "contract,poster,handout,form,set of slides,leaflet",
        "print,copy,photocopy,duplicate,scan,put on paper",
    ),
    (
        "Write to payroll by the tenth, and the slip is mended within the week.",
        "my {what} {how}.",
        "salary,wage,pay slip,bonus,overtime,tax class",
        "is wrong,is too low,does not add up,is missing,was miscounted,looks odd",
    ),
    (
        "Ring the nurse on 112 inside the house; the box of plasters hangs by the lift.",
        "{how} a {what}?",
        "headache,cut,nosebleed,dizzy spell,burn,sprain",
        "got,treat,somebody has,help with,what about,bandage",
    ),
)  # fmt: skip


def write(path: Path) -> Path:
    """160 rated conversations as JSON Lines, the same every time, none of which asks ``QUESTION``."""
    chance = random.Random(5)
    asked: list[tuple[str, str]] = []
    for answer, shape, things, ways in _ASKED:
        pairs = list(itertools.product(things.split(","), ways.split(",")))
        chance.shuffle(pairs)
        # Whoever is to put the two words together has met each of them often.
        pairs.sort(key=lambda pair: not {"flight", "reimbursement"} & set(pair))
        for what, how in pairs:
            said = f"{chance.choice(_BEFORE)} {shape.format(what=what, how=how)} {chance.choice(_AFTER)}"
            if "flight reimbursement" not in said:
                asked.append((said, answer))
            if sum(given == answer for _, given in asked) == _EACH:
                break
    chance.shuffle(asked)
    with path.open("w", encoding="utf-8") as file:
        for number, (question, answer) in enumerate(asked):
            turns = [
                {"role": "user", "content": question},
                {"role": "assistant", "content": answer, "rating": 5},
            ]
            line = {"conversation_id": f"desk-{number}", "source": "desk", "rating_scale": "stars5"}
            file.write(json.dumps({**line, "turns": turns}) + "\n")
    return path
