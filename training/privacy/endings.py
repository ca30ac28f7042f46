"""Endings of domain names, by how sure a name without a scheme is when it ends so.

About the endings that people meet, no register of all: with ``https://`` or ``www.`` before it any ending is a link's.
"""

from __future__ import annotations

from typing import Final

# Nobody uses these for anything else.
SURE: Final = frozenset(
    """com org net edu gov mil biz mobi museum xyz co tv gg eu uk de fr nl ch au ca nz jp kr cn br ru ua cz dk fi se hu
    gr ie il mx ar cl tr tw hk sg th vn za lt lv ee hr bg ro lu cy mt ir eg tn ng ke uy pe ve cr cu hn ni kz uz ge
    az io asia icu gmbh coop aero рф укр бел срб бг 中国 中國 香港 台灣 한국 ไทย भारत""".split()
)

# Words, but hardly ever what a sentence begins with or what a program calls a part of something: these end an address where
# what stands before is no common word.
LIKELY: Final = frozenset(
    """abogado academy accountants adult agency apartments app archi associates attorney auction bargains berlin bike
    bingo blog boutique brussels builders cab cafe camera camp capetown cards careers casa casino cat catering cheap
    church claims cleaning clinic clothing cloud club coach codes coffee college cologne community computer condos
    construction consulting contractors cool coupons cricket cruises cymru dating deals delivery democrat dental
    dentist design dev diamonds digital directory discount doctor dog domains earth education eco engineer
    engineering enterprises equipment estate eus events exchange expert exposed fans farm fashion finance financial
    fish fitness flights florist flowers football forsale foundation frl furniture fyi gal gallery games garden gent
    gifts gives glass golf graphics gratis gripe guide guitars guru hamburg haus health healthcare hockey
    holdings holiday homes horse hospital hosting hotel immo immobilien industries ink institute insurance insure
    international investments istanbul jetzt jewelry jobs kaufen kitchen koeln land law lawyer lease legal lgbt
    limited limo loans london ltd luxury maison management market marketing mba melbourne memorial miami moda moe
    mom money mortgage moscow movie nagoya ninja nrw nyc online osaka paris partners parts pet pharmacy photo
    photography photos pics pictures pizza plumbing plus poker press pro productions promo properties property pub
    quebec quest realestate realty recipes rehab reise reisen rent rentals repair republican rest restaurant reviews
    rio rocks rodeo ruhr saarland sale salon school schule scot sexy shiksha shoes shop shopping singles site ski
    skin soccer social software solar solutions store studio style sucks supplies supply surf surgery swiss sydney
    tattoo tax taxi tech technology tennis theater tickets tienda tips tires tirol tokyo tours toys trade trading
    training travel university vacations vegas ventures vet viajes video villas vin vip vlaanderen vodka voyage
    wales webcam website wedding wien wiki wine work works wtf yachts yoga yokohama zuerich""".split()
)

# Words that sentences begin with when the space after a full stop is lost: "the laptop.it is broken".
WORDS: Final = frozenset("it is in so to no me my am as at be us do by la".split())

# English words, endings of files, or what programs call things (`self.name`): the rest must look like an address.
UNSURE: Final = WORDS | frozenset(
    """ai md py rs sh pl cc tk ml ps st es pm tf ws ly vc mn pk ph id pa ma al ba fm si sk li ec bo gt sv int info name
    space media network news email systems team world zone pt xn gl fo mk ac ae af ag sc sn sr su sy tc td tg tj tl
    tm ug va vu wf ye zm zw bd bf bh bi bj bn bs bt bw bz cd cf cg ci ck cm cv cx dj dm dz er et fj fk ga gd gf gh
    gi gm gn gp gq gs gu gw gy hm ht im iq je jm jo kg kh ki km kn kp kw ky lb lc lk lr ls mc mg mh mm mo mp mq mr
    ms mu mv mw mz nc ne nf np nr nu om pf pg pn pr pw qa re rw sa sb sd africa art baby band bar best bet bid bot
    buzz capital care cash center chat city click company credit cyou date day degree direct download energy
    express faith family film fit flow food forum fun fund futbol game gift global gold group help host
    house how kids kim life link live loan love lol mail men moi mov navy new observer one onl page party phd
    place play pink porn post protection qpon racing red report review run security services sex
    show spa stream study support today tools top town trust tube uno vision vote wang watch win wow zip""".split()
)

# Of files rather than of addresses.
FILES: Final = frozenset("py rs md sh so cc ps mm zip mov run".split())
# Countries whose endings are no words: before these, what is no common word and no name of a programmer's is an address.
# Not `id` and `pk`: `guild.id` and `order.pk` are code.
COUNTRIES: Final = (
    frozenset(each for each in UNSURE if len(each) == 2 or each == "info") - FILES - WORDS - {"id", "pk"}
)
# `co.uk`, `com.au`: two labels that end a name together.
SECOND: Final = frozenset("co com net org gov edu ac or ne go".split())
