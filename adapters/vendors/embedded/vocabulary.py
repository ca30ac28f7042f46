"""What is known of English before anybody teaches anything: how telling a word is, and which words mean much the same.

Both tables were written by hand for this project; no corpus stands behind them. A word in no tier is taken to be rare
and therefore telling.
"""

from __future__ import annotations

from typing import Final

STOP_WEIGHT: Final = 0.06
LIGHT_WEIGHT: Final = 0.25
ORDINARY_WEIGHT: Final = 0.6
RARE_WEIGHT: Final = 1.0
CONCEPT_WEIGHT: Final = 0.9

STOP: Final = """
a an the this that these those some any each such i me my mine myself we us our ours you your yours yourself he him his
she her hers it its they them their theirs one ones am is are was were be been being do does did doing done have has had
having can could will would shall should may might must of to in on at by for from with about into onto as than then so
and or but if because while though although there here who whom whose what which when where why how not no yes also too
very just only even still ever again let lets get gets got there really actually kind sort thing things stuff oh ok okay
well um uh hmm please s t m re ve ll d up out off over down both all more most much many few lot lots own same other
another like bit maybe perhaps
"""

LIGHT: Final = """
know tell say said give gives gave take takes make makes made go goes going went come comes want wants wanted need needs
needed try tries find look see show shows use used using work works put think thought mean means call called ask asked
help way ways time times people person man woman someone somebody anyone anybody everyone something anything everything
nothing new good better best bad right now today first last next long little big great able keep long happen happens
start stop turn seem feel become leave possible exactly currently already always never often sometimes question answer
explain describe talk speak hear word words name part place point case number understudy
"""

ORDINARY: Final = """
day days week month year years hour minute morning evening night world life home house family friend child children boy
girl school work job company business money pay buy sell price cost food eat drink water car drive road street city town
country language book read write letter paper page list story news music song movie film show game play player team
sport phone number email mail message chat computer internet site website app application account user group member team
file picture photo image video data information idea problem issue error reason fact result change changes move open
close set add remove delete create build run check choose pick select send receive get turn save load learn teach train
model system program code version test example list data table line top bottom side front back left right high low
large small short full empty old young early late fast quick slow easy hard simple free live die love hate happy sad hot
cold warm weather rain sun color colour red blue green black white room door window table chair bed kitchen office shop
store market order card bank doctor health body head hand eye face foot heart hospital medicine travel trip flight plane
train bus hotel ticket party meet meeting visit walk sleep wait watch listen believe remember forget understand hope
wish bring carry hold cut break fix win lose grow fall rise reach follow lead join meet include continue allow offer
provide support service control power law rule government war president public social local national human history
study student teacher class course university science art nature animal dog cat fish bird tree plant flower garden earth
sea river mountain air fire light dark sound voice bot avatar server channel setting settings button mode type default
enough different important real true wrong sure ready whole main common certain special several
"""

GROUPS: Final[dict[str, str]] = {
    "connect": "connect link hook attach pair install integrate setup invite join configure add",
    "remove": "delete remove erase wipe discard drop forget purge scrub clear",
    "cancel": "cancel abort revoke annul end quit unsubscribe stop",
    "undo": "undo revert rollback restore withdraw retract revoke",
    "price": "cost price expensive cheap pay fee charge charges bill pricing free afford expense",
    "begin": "begin start launch commence initiate kickoff",
    "end": "end stop finish halt quit terminate",
    "hello": "hello hi hey hiya howdy greetings yo hallo morning",
    "bye": "bye goodbye farewell cya ciao",
    "thanks": "thanks thank thx ty cheers tnx grateful",
    "fix": "fix repair mend solve resolve troubleshoot debug",
    "fail": "broken fail fails failing error crash crashes bug fault faulty malfunction",
    "make": "make create build construct generate produce assemble craft compose add new cook",
    "creator": "creator maker author developer developed inventor designer invent created made built programmed",
    "change": "change modify edit alter update adjust amend rename",
    "show": "show display view list see present",
    "big": "big large huge enormous giant",
    "small": "small little tiny mini",
    "fast": "fast quick rapid speedy speed quickly",
    "slow": "slow sluggish lag lagging",
    "buy": "buy purchase order acquire",
    "rate": "rate rating score vote thumb star review grade evaluate",
    "teach": "teach train instruct educate coach tutor training",
    "tune": "finetune finetuning tune tuning",
    "learn": "learn study teach train",
    "reply": "reply answer response respond",
    "data": "data information",
    "ask": "ask request",
    "due": "due pay owe",
    "staff": "employee staff people worker",
    "lead": "lead leader head chief",
    "found": "found founder founding establish",
    "stay": "previous earlier former prior last",
    "sleep": "sleep asleep insomnia",
    "example": "example sample demonstration instance",
    "permission": "permission access right allowed allow authorise authorize permit",
    "private": "private privacy confidential secret personal",
    "keep": "keep store save retain stored record log kept logged",
    "consent": "consent agree agreement",
    "person": "person people user member human somebody someone",
    "employer": "employer boss employ employed employment work",
    "job": "job occupation profession career employment",
    "doctor": "doctor physician gp",
    "child": "child children kid toddler baby",
    "sad": "sad unhappy depressed depression down blue miserable",
    "anxious": "anxious anxiety worry worried nervous",
    "stress": "stress stressed stressful pressure tense overwhelmed",
    "angry": "angry mad furious annoyed",
    "happy": "happy glad joyful cheerful",
    "tired": "tired exhausted fatigue sleepy",
    "ill": "ill sick unwell",
    "marry": "marry married marriage wedding spouse husband wife",
    "film": "film movie picture",
    "photo": "photo picture image screenshot",
    "car": "car vehicle automobile auto",
    "phone": "phone telephone mobile smartphone cell",
    "email": "email mail",
    "computer": "computer pc laptop machine",
    "sign": "login logon signin",
    "wifi": "wifi wlan wireless",
    "password": "password passcode passphrase pin",
    "time": "when hour time date schedule clock deadline",
    "place": "where place location address located venue spot",
    "number": "quantity amount count",
    "reason": "why reason cause",
    "lunch": "lunch midday noon",
    "eat": "eat food meal dish cook recipe restaurant dine",
    "trip": "trip travel journey vacation holiday tour",
    "flight": "flight plane airplane",
    "pet": "pet animal",
    "robot": "bot robot ai machine program",
    "real": "real human alive person",
    "joke": "joke funny laugh humour humor pun",
    "name": "name called",
    "help": "help assist support aid",
    "explain": "explain describe clarify define definition meaning mean",
    "speak": "speak talk chat say tell",
    "find": "find locate search discover lookup",
    "choose": "choose pick select switch",
    "picture": "avatar persona character",
    "model": "model llm",
    "limit": "limit maximum max cap quota ceiling",
    "minimum": "minimum least lowest smallest min",
    "error": "problem issue trouble error bug",
    "open": "open opening",
    "close": "close closing shut",
    "arrive": "arrive land arrival",
    "leave": "leave depart departure",
    "rent": "rent hire rental lease",
    "book": "book reserve reservation booking",
    "busy": "busy crowded packed full",
    "ingredient": "ingredient contain made",
    "coin": "coin quarter penny",
    "traffic": "traffic congestion jam",
    "use": "use utilise utilize usage",
    "export": "export download backup dump",
    "import": "import upload ingest",
    "suggest": "suggest recommend advice recommendation suggestion advise tip",
    "difference": "difference differ compare versus vs distinction",
    "language": "language translate translation",
    "owner": "owner admin administrator manager operator",
    "key": "key token credential",
    "safe": "safe secure security protected",
    "trash": "trash garbage rubbish bin waste",
    "lend": "borrow lend",
    "toilet": "toilet restroom bathroom washroom loo wc",
    "colleague": "colleague coworker teammate",
    "vacation": "vacation holiday leave",
    "salary": "salary wage paycheck payroll",
    "refund": "refund reimburse reimbursement moneyback",
    "ship": "ship deliver delivery shipping dispatch order",
    "spicy": "spicy hot",
    "allow": "allow permit may",
    "park": "park parking",
    "newspaper": "news headline",
    "begin2": "beginner newcomer newbie novice",
    "weigh": "weigh weight heavy",
    "tall": "tall height high",
    "old": "old age",
    "far": "far distance",
    "rich": "rich wealthy",
    "smart": "smart clever intelligent",
    "print": "print printer",
    "mend": "loan borrow",
    "quit": "unsubscribe quit leave",
    "subscription": "subscription plan membership subscribe unsubscribe",
    "silence": "quiet mute silence silent",
    "weather": "weather forecast rain temperature",
    "emergency": "emergency urgent",
    "contact": "contact reach email phone",
    "repeat": "repeat again",
}

# Phrases are found before single words are looked at, longest first. "" drops the phrase: it is only politeness.
PHRASES: Final[dict[str, str]] = {
    "": """can you tell me|could you tell me|would you tell me|can you please tell me|could you please tell me
        please tell me|tell me|do you know|do you happen to know|do you remember|i would like to know|i want to know
        i need to know
        i was wondering|i wonder|can you explain|could you explain|can you show me|could you show me|please|let me know
        any idea|does anyone know|does anybody know|is there a way to|is it possible to|what is the best way to
        by the way|just wondering|quick question|excuse me|can you help me|could you help me|help me|i would like to
        what do i do to|what should i do to|what do i need to do to|how would i go about|remind me""",
    "~connect": "set up|setting up|hook up|plug in|sign up",
    "~remove": "get rid of|take away|take out|throw away|take off",
    "~undo": "roll back|go back to|rolling back|take back|go back|previous version|earlier version",
    "~price": "how much|for free|how expensive|pay for|costs money",
    "~begin": "get started|kick off|set off|get going|getting started",
    "~end": "shut down|turn off|switch off",
    "~find": "look for|look up|search for|get hold of",
    "~time": "what time|how late|what day|which day|what date|how early|how soon",
    "~duration": "how long|how many days|how many hours|how many minutes|how many weeks|how much time",
    "~place": "what place|which place|which room|what room|which building",
    "~reason": "how come|what for",
    "~identity": """who are you|what are you|what is your name|introduce yourself|your name|who is this|who am i talking to
        who am i speaking to|tell me about yourself|about yourself|what should i call you|what do i call you
        what do they call you|who r u|what are you called|are you called""",
    "~wellbeing": """how are you|how are you doing|how is it going|how do you do|what is up|how are things|how do you feel
        how have you been|how r u|are you well|you ok|how goes it|how is everything|how is life""",
    "~hello": "good morning|good afternoon|good evening|good day|hi there|hey there|hello there|nice to meet you",
    "~bye": """good bye|good night|see you|see you later|see ya|talk to you later|have to go|until next time|take care
        nice talking to you|gotta go|catch you later|so long|signing off""",
    "~thanks": "thank you|thank you very much|thanks a lot|many thanks|much appreciated|i appreciate it",
    "~joke": "tell me a joke|make me laugh|say something funny|something funny|cheer me up|know any jokes",
    "~ability": """what can you do|what do you do|what are you good for|what are your skills|how can you help
        what can i do here|what can i ask|what can i ask you|how can you help me|your abilities|your capabilities
        what are you able to do|what is this bot for|what is this for""",
    "~teach": "fine tune|fine tuning|show you how",
    "~tune": "fine tune|fine tuning|fine tuned",
    "~creator": "who made|who built|who created|who wrote|who developed|who designed|who invented|made by|who programmed",
    "~signin": "log in|sign in|log on|log into|sign into",
    "~speed": "how fast|how quick",
    "~wifi": "wi fi|wireless network|wireless internet",
    "~many": "how many",
    "~age": "how old",
    "~again": "once more|one more time",
    "~lunch": "lunch break",
    "~opening": "opening hours|opening times|business hours|working hours|hours of operation|office hours",
    "~contact": "get in touch|get in touch with|in touch|reach out|get hold of|talk to",
    "~difference": "different from",
    "~helpdesk": "help desk|service desk|it support|tech support",
    "~meaning": "stand for|stands for|meaning of",
    "~leave": "time off|day off|days off",
    "~robot": "artificial intelligence|chat bot|are you human|are you real|are you a person|are you a human",
}

# A concept that a phrase names and what single words share with it.
ALSO: Final[dict[str, str]] = {
    "~opening": "open time",
    "~signin": "sign",
    "~age": "old",
    "~speed": "fast",
    "~meaning": "explain",
    "~many": "number",
    "~leave": "vacation",
    "~creator": "make creator",
    "~identity": "name",
    "~helpdesk": "help",
    "~robot": "robot real",
    "~wellbeing": "",
}

OPPOSITES: Final = """
connect disconnect|link unlink|start stop|begin end|open close|add remove|add delete|create delete|enable disable|buy sell
before after|first last|on off|up down|increase decrease|raise lower|import export|upload download|lock unlock|mute unmute
join leave|arrive depart|approve reject|give withdraw|install uninstall|cheap expensive|minimum maximum|most least
subscribe unsubscribe|save delete|show hide|activate deactivate|earliest latest|oldest newest|send receive|win lose
inside outside|good bad|best worst|hot cold|old new|borrow return|pause resume|lend return|train rollback|launch cancel
book cancel|order cancel|order return|make cancel|discord slack|monday tuesday|men women|breakfast dinner|breakfast lunch
lunch dinner|winter summer|today tomorrow|today yesterday|morning evening|north south|east west|mother father
husband wife|son daughter|iphone android|windows mac|cat dog|morning night|push pull|public private|avatar dataset
"""

CONTRACTIONS: Final[dict[str, str]] = {
    "what's": "what is", "whats": "what is", "who's": "who is", "whos": "who is", "where's": "where is",
    "wheres": "where is", "when's": "when is", "how's": "how is", "hows": "how is", "why's": "why is",
    "that's": "that is", "thats": "that is", "there's": "there is", "it's": "it is", "he's": "he is",
    "she's": "she is", "let's": "let us", "i'm": "i am", "im": "i am", "i've": "i have", "ive": "i have",
    "i'd": "i would", "i'll": "i will", "you're": "you are", "youre": "you are", "you've": "you have",
    "you'll": "you will", "we're": "we are", "we've": "we have", "they're": "they are", "they've": "they have",
    "can't": "can not", "cant": "can not", "cannot": "can not", "won't": "will not", "wont": "will not",
    "don't": "do not", "dont": "do not", "doesn't": "does not", "doesnt": "does not", "didn't": "did not",
    "didnt": "did not", "isn't": "is not", "isnt": "is not", "aren't": "are not", "wasn't": "was not",
    "couldn't": "could not", "shouldn't": "should not", "wouldn't": "would not", "haven't": "have not",
    "hasn't": "has not", "what're": "what are", "who're": "who are", "u": "you", "r": "are", "ur": "your",
    "pls": "please", "plz": "please", "wanna": "want to", "gonna": "going to", "gotta": "have to", "gimme": "give me",
    "y'all": "you all", "wi-fi": "wifi", "e-mail": "email", "fine-tune": "fine tune", "fine-tuning": "fine tuning",
    "fine-tuned": "fine tuned", "sign-in": "sign in", "log-in": "log in", "set-up": "set up", "roll-back": "roll back",
    "rollback": "roll back", "setup": "set up", "login": "log in", "signin": "sign in", "logon": "log on",
    "finetune": "fine tune", "finetuning": "fine tuning", "ppl": "people", "msg": "message", "msgs": "messages",
    "pw": "password", "pwd": "password", "wats": "what is", "wat": "what", "wut": "what", "abt": "about",
    "bc": "because", "cuz": "because", "tmrw": "tomorrow", "info": "information", "docs": "documentation",
    "repo": "repository", "config": "configuration", "diff": "difference", "prob": "problem", "hrs": "hours",
    "mins": "minutes", "pic": "picture", "pics": "pictures", "app": "application", "apps": "applications",
}  # fmt: skip

NEGATIONS: Final = frozenset({"not", "no", "never", "without", "none", "neither", "nor"})
