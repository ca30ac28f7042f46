"""Made talk with personal data in it, and as much that only looks like it: labelled lines without end, from a seed.

Formats are the world's (phones as each country writes them, cards and accounts with their checksums); the sentences, forms
and signatures around them are in many languages. A record has a text and spans, as ``benchmarks.privacy_spans`` reads them.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

# National and international, of some thirty countries; # is a digit, 9 one from 2 to 9.
PHONES: Final = (
    """
(9##) 9##-####|9##-9##-####|9##.9##.####|9##9######|+1 9##-9##-####|+19##9######|1-8##-9##-####|(9##) 9##-#### ext. ##
9##-9##-####x###|020 7### ####|07### ######|+44 20 7### ####|+44 (0)20 7### ####|0044 7### ######|0161 ### ####
030 #######|0171/#######|+49 171 #######|+49 (0)89 ######|089-######|0043 1 #######|044 ### ## ##|+41 79 ### ## ##
01 ## ## ## ##|06.##.##.##.##|+33 6 ## ## ## ##|06########|+32 4## ## ## ##|04##/## ## ##|9## ## ## ##|+34 9## ### ###
06 ########|+39 06 ########|3## #######|+39 3## ### ####|08-### ### ##|070-### ## ##|+46 70 ### ## ##|+47 9## ## ###
## ## ## ##|+45 ## ## ## ##|040 #######|+358 40 #######|06 30 ### ####|+36 30 ### ####|06-1-###-####|22 ### ## ##
+48 5## ### ###|5## ### ###|06-########|+31 6 ########|+31 (0)20 #######|8 (9##) ###-##-##|+7 9## ###-##-##
03-####-####|090-####-####|+81 90 #### ####|010-####-####|+82 10-####-####|138 #### ####|+86 138 #### ####|050-###-####
+972 50-###-####|(11) 9####-####|+55 11 9####-####|98### #####|+91 98### #####|04## ### ###|+61 4## ### ###|(02) 9### ####
+353 87 ### ####|+30 69# ### ####|+90 5## ### ## ##|0 (5##) ### ## ##|+420 6## ### ###|+40 7## ### ###|+380 9# ### ## ##
""".strip()
    .replace("\n", "|")
    .split("|")
)
PHONE_SAID: Final = (
    "my phone is {}|Tel: {}|tel {}|Phone:\n{}|Phone: {}|call me on {}|text {} when you are here|mobile: {}|Handy {}|Tél. {}|"
    "teléfono: {}|telefon {}|numero di telefono: {}|Telefonszám: {}|電話: {}|тел. {}|هاتف: {}|her new number is {}|fax {}|"
    "ring {} after six|you can reach him at {}.|{} is my work number|WhatsApp {}|contact: {}|{}|(phone {})|**Tel** {}|"
    "is {} still your number?|I can be reached at {} or by mail|emergency contact: Mara, {}|hotline {}|"
    '"phone": "{}"|Telefoon: {}|celular {}|komórka {}|puh. {}'
).split("|")
CARD_SAID: Final = (
    "my card {} was refused|Visa {}|card no. {}|pay with {} please|credit card: {}|{}|the number is {}, exp 04/29|Karte {}|"
    "tarjeta {}|can I use {} abroad?|please block {}.|CC {} 123"
).split("|")
SSN_SAID: Final = (
    "SSN {}|my ssn is {}|social security number: {}|Here is my SSN: {}|{} is her social|ssn={}"
).split("|")
IBAN_SAID: Final = (
    "IBAN {}|please pay into {}|my account is {}.|{}|transfer it to {} today|Konto: {}|from {} to me"
).split("|")
EMAIL_SAID: Final = (
    "write to {}|mail: {}|{} is mine.|<{}>|E-Mail:\n{}|cc {} and me|correo {}|({})|email={}|{}|`{}`|Reply-To: {}"
).split("|")
DOMAIN_SAID: Final = (
    "see {}|my site is {}.|Website: {}|Web: {}|Homepage:\n{}|visit {} for more|({})|{} is down|I found it on {}, try it|"
    "[here]({})|blog: {}|{}|do you know {}?|we moved to {}|**{}**|Sitio web: {}|our shop, {}, is new"
).split("|")
FORM: Final = (
    "Ilse Berg\n\nPhone:\n{phone}\n\nE-mail:\n{email}\n\nWebsite:\n{domain}\n\nAddress:\n{plain} Mill Lane",
    "Ilse Berg | {phone} | {email} | {domain}",
    "Regards,\nIlse\nTel {phone}\n{domain}",
    "card {card}, IBAN {iban}, SSN {ssn}",
    "- tel: {phone}\n- mail: {email}\n- bank: {iban}",
)
# The first digits, the length and the groups.
CARDS: Final = (
    ("4", 16, "4444"), ("4", 13, "4441"), ("51", 16, "4444"), ("55", 16, "4444"), ("2345", 16, "4444"), ("37", 15, "465"),
    ("36", 14, "464"), ("6011", 16, "4444"), ("3530", 16, "4444"),
)  # fmt: skip
# The country and what follows its checksum.
ACCOUNTS: Final = (
    ("DE", "#" * 18), ("FR", "#" * 23), ("GB", "LOYD" + "#" * 14), ("NL", "ABNA" + "#" * 10), ("ES", "#" * 20),
    ("IT", "X" + "#" * 22), ("SE", "#" * 20), ("HU", "#" * 24), ("PL", "#" * 24), ("NO", "#" * 11), ("BE", "#" * 12),
    ("CH", "#" * 17), ("PT", "#" * 21), ("TR", "#" * 22),
)  # fmt: skip
# What is nobody's: a pattern of # (a digit), with words around.
PLAIN: Final = (
    """
order 1########|order number ##########|invoice ######-####|ticket #######|tracking number ############|version #.#.#
v#.##.#|Python 3.##.#|Chrome 1##.0.####.##|running 1.2.3.4 now|on 20##-0#-1# at 1#:##|born 1#.0#.19##|19##-20##
from 18## to 19##|$#,###.##|1.###.###,## €|12 ### kr|### ### people|#,###,### rows|ISBN 978-#-###-#####-#|pages ###-###
#### x #### pixels|resolution 1920 1080|between #### and ####|score ##:##|they won #-#|#.######|loss 0.####|52.###, 13.###
room ###|flight LH####|chapter #.#|RFC ####|error ####|port ####|pid #####|took ##.### s|########## bytes|1########## ms
timestamp 17########|epoch: 17########|seed #######|row ####, column ###|#/# of it|2^## = ####|## + ## = ###|x = ########
0x####|call me in ## minutes|phone from 20##|text of ### words|number ##|level ##|#### Main Street|bus ###|## % of ####
postcode ####|### mg|EAN 40###########|EAN 59###########|part ###-####-##|case ####-####|bug ######|PR #####
9####-9#### lumens
plate AB12 CDE|B-MW ####|1 2 3 4 5 6 7 8|2, 4, 8, 16, 32|1-2-3|10-20-30|0101 1010 0110|the series ## ## ## ##|24/7|3D, 4x4
Windows 11|GPT-4.1|COVID-19|iPhone 1#|S0#E1#|## of ##|the ##th of May|in 20##|at 1#:##:##|temperature -#.# C
""".strip()
    .replace("\n", "|")
    .split("|")
)
CODE: Final = (
    "main.py README.md notes.txt setup.cfg lib.rs run.sh app.js server.ts index.html config.toml photo.jpg archive.zip "
    "libfoo.so kernel.cc model.ps self.name user.id obj.method foo.bar() os.path.join np.array console.log this.state "
    "guild.id order.pk request.get df.head() Math.max(1) System.out java.io java.util.List Microsoft.Extensions.Net "
    "std.io req.app node.id it.next sklearn.metrics a.b.c e.g. i.e. U.S. Ph.D. a.m. Node.js Vue.js ASP.NET Dr.No "
    "@property @override user@localhost /etc/passwd C:\\Users http://localhost:8000 127.0.0.1 x.T std::vector"
).split()
CODE_SAID: Final = (
    "open {}|then {} fails|why {}?|`{}`|{} and so on|it is in {}|edit {} first|with {}"
).split("|")
# The space after the full stop is lost.
ENDS: Final = (
    "done|nice|broken|my laptop|a game|in Canada|good music|after dinner|great|not sure|the final".split("|")
)
BEGINS: Final = (
    "it was late|in the end|so what|no idea|to me it is|my bad|is it?|as always|at least|be careful|do tell|us too|"
    "then we left|and so on"
).split("|")

WORDS: Final = (
    "maple berg novak garden stone pixel rossi dupont yoga kovacs lindgren harbour quill marten".split()
)
ENDINGS: Final = (
    "com com com com org net de fr es it se hu pl nl co.uk com.au co.jp at ch be dk no cz eu us io dev app me info shop "
    "online studio club travel museum gr ie kr com.br"
).split()


class _Maker:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def pick(self, among: Sequence[str]) -> str:
        return self._random.choice(among)

    def digits(self, pattern: str) -> str:
        return re.sub(
            "#|9(?=##)",
            lambda at: self._random.choice("23456789" if at[0] == "9" else string.digits),
            pattern,
        )

    def phone(self) -> str:
        return self.digits(self.pick(PHONES))

    def card(self) -> str:
        prefix, length, groups = self._random.choice(CARDS)
        body = prefix + self.digits("#" * (length - len(prefix) - 1))
        total = 0
        for place, char in enumerate(reversed(body)):
            twice = int(char) * (2 if place % 2 == 0 else 1)
            total += twice - 9 if twice > 9 else twice
        return self._grouped(body + str(-total % 10), groups)

    def _grouped(self, value: str, groups: str) -> str:
        mark = self._random.choice(["", "", " ", " ", "-"])
        parts: list[str] = []
        for size in map(int, groups):
            parts.append(value[:size])
            value = value[size:]
        return mark.join(parts)

    def ssn(self) -> str:
        area = self._random.choice([number for number in range(1, 900) if number != 666])
        return f"{area:03}-{self._random.randint(1, 99):02}-{self._random.randint(1, 9999):04}"

    def iban(self) -> str:
        country, body = self._random.choice(ACCOUNTS)
        body = self.digits(body)
        number = int("".join(str(int(char, 36)) for char in body + country + "00"))
        whole = f"{country}{98 - number % 97:02}{body}"
        if self._random.random() < 0.5:
            whole = " ".join(whole[at : at + 4] for at in range(0, len(whole), 4))
        return whole

    def _host(self) -> str:
        first, second = self.pick(WORDS), self.pick(WORDS)
        name = self._random.choice([first + second, f"{first}-{second}", first.title() + second.title()])
        return f"{name}.{self.pick(ENDINGS)}"

    def email(self) -> str:
        first, second = self.pick(WORDS), self.pick(WORDS)
        local = self._random.choice(
            [f"{first}.{second}", f"{first}+{second}", f"{first[0]}{second}", f"{first}_{second}7", "info"]
        )
        return f"{local}@{self._host()}"

    def domain(self) -> str:
        host = self._host()
        scheme = self._random.choice(["https://", "http://", "https://www.", "www.", "", ""])
        return scheme + host + self._random.choice(["", "", "", "/", "/about", "/team/ilse?x=1"])

    def plain(self) -> str:
        kind = self._random.random()
        if kind < 0.6:
            return self.digits(self.pick(PLAIN))
        if kind < 0.8:
            return self.pick(CODE_SAID).format(self.pick(CODE))
        if kind < 0.9:
            return f"it is {self.pick(ENDS)}.{self.pick(BEGINS)}"
        shape = self._random.choice(["8-4-4-4-12", "40", "32"])
        return "id " + "-".join(
            "".join(self._random.choice("0123456789abcdef") for _ in range(int(size)))
            for size in shape.split("-")
        )


def records(seed: int, count: int) -> Iterator[Mapping[str, Any]]:
    """So many labelled lines, the same for the same seed: half of them hold personal data, half only what resembles it."""
    maker = _Maker(seed)
    kinds: dict[str, tuple[str, Callable[[], str], Sequence[str]]] = {
        "phone": ("PHONE_NUMBER", maker.phone, PHONE_SAID),
        "card": ("CREDIT_CARD", maker.card, CARD_SAID),
        "ssn": ("US_SSN", maker.ssn, SSN_SAID),
        "iban": ("IBAN_CODE", maker.iban, IBAN_SAID),
        "email": ("EMAIL_ADDRESS", maker.email, EMAIL_SAID),
        "domain": ("DOMAIN_NAME", maker.domain, DOMAIN_SAID),
    }
    for number in range(count):
        if number % 2:
            text = ", ".join(maker.plain() for _ in range(1 + number % 4 // 2))
            yield {"text": text, "spans": []}
            continue
        name = maker.pick([*kinds, "form"])
        pattern = (
            maker.pick(FORM) if name == "form" else maker.pick(kinds[name][2]).replace("{}", f"{{{name}}}")
        )
        text, spans = "", list[dict[str, Any]]()
        for fixed, field in re.findall(r"([^{]*)(?:\{(\w+)\}|$)", pattern):
            text += fixed
            if field == "plain":
                text += maker.digits("##")
            elif field:
                label, make, _ = kinds[field]
                value = make()
                spans.append(
                    {"start": len(text), "end": len(text) + len(value), "type": label, "value": value}
                )
                text += value
        yield {"text": text, "spans": spans}
