"""Words that a name may also be: a name that stands here is replaced only where the text marks it as one.

About four thousand: those that open collections of talk (small talk on topics, questions on health and services) write in
small letters, as they are written there, slips of spelling and a few foreign ones included; and words that people are
called by, such as will, grace and art. It is a sample, no dictionary: a rarer word that is also somebody's name is taken for
the name where it has a capital.
"""

from __future__ import annotations

from typing import Final

COMMON: Final = frozenset(
    """
    abandoned abattoirs abbey abilities ability able abortion about above abroad absence absolute absolutely absorb
    absorbed absorbs abuse academic academies academy accept acceptable accepted accepting access accessible
    accommodation accord accordance according accordingly account accounts accuracy accurate accused accusing ace
    aches achieve across act acted action actions activation active actively activities activity actor actors actress
    actresses actual actually acute add addition additional address adequate adhere adjust admin administrator adopted
    ads adult adults advance advanced advancements advances adventure advertising advice advised affect affected
    affecting affects afford affordable afraid after again against age aged agencies agency agents ages ago agree
    agreed agriculture ahead aid aides aids aim aimed aims air aircraft aired airing airline alba album albums alcohol
    alert algebra algorithms alignment alive all alleviate allocation allow allowed allowing allows almond almonds
    almost alone along alongside already also alternate alternative alternatives although alveolar alveoli always
    amazing amber among amount amounts anagram analyze ancient and angel anger angry animal animals animated animation
    anime announce announced annual anonymous another ansiedad answer answers antibodies antibody anticipated anxierty
    anxiety anxious any anybody anymore anyone anything apart apologize app apparently appear appearance appears apple
    application applications applies apply applying appointments appreciate apprenticeship approach approaches
    approaching appropriate approved approximate approximately apps april arch archer architecture architectures are
    area areas argument arguments around arrange arranged arrangements array arrays arrival arrive arrives art article
    articles artificial artists ash ask asked asking aspects aspen ass assemble assembly assess assessed assessing
    assessment assessments assigned assigning assist assistance assistant associated association asthma astronomer
    athletes atmosphere attack attempt attend attendance attendees attending attention attentive attracted attraction
    audience august aurora author authorities authority authors automatically autumn availability available avatar
    average avocado avoid avoiding awake award aware awareness away awesome awhile baby back background backpack
    bacteria bad bag bailey baker balance balanced ball banana band bank banks bar barber barrier bars base baseball
    based basic basics basil basis basket basketball batch batches bathroom battery bay bean beans bear bears beast
    beat beau beautiful beauty became because become becomes becoming beds bedtime been before began begin beginner
    beginning begins behavior behaviors behind being believe believed believes bell below bench beneath beneficial
    benefit benefits berries berry besides best bet better between beyond bible biennial big bigger biggest bike bill
    billion bills bins biological birch bird birds birth bishop bit black blaze bleeding blog blood blowing blue blues
    boat bodies body bold bond bonus book booker booking books boost boring born boss bot both bothering bottom
    bottoms bought boundaries bow bowl bowlers bowling bowls box boy boyfriend boys brain brains bran branch brandy
    brave bray bread break breakfast breaking breaks breast breastfeeding breath breathe breathing brick bridge
    bridging brief bright bring broadcast broader broke broken brook brooks brother brought brown browning browns
    browsing bruce brunch buck bud budget build building built bull bullying bunch bunny burns bus bushfire business
    businesses but butler butter button buy buying buys calculate calculated calendars call called calling calls calm
    calories came camera cameras campaign can cancelled cancer candy cane canisters cannot cans cant canteens
    capabilities capable capacity capital capture car carbon card cards care career careers carefully caregiver
    caregivers carer carers caring carol carpenter carried carries carrots carry carrying cars carter case cases cash
    cast castle casual cat catch catchy category cats caught cause caused causes causing caution cease celebrate
    celebrity celery center centers central centres century certain certainly chain challenge challenges challenging
    chamber chance chandler change changed changes changing channel channels character characterized characters charge
    charges charioteer charity charming chart chase chat chatting cheating check checklist checks cheer cheerleader
    cheerleaders chemical cherry chess chest chester chewing chicken child childcare childhood childminders children
    chip chips chloroquine choice choose chopped christian christmas chronic chuck church cilantro cinema cinnamon
    circular circumstances citizen city civilian claim claimed claims clarify class classes classic classified claus
    clay clean cleaned cleaning clear cleared clearly clerk clients cliff clinging clinic clinical clinically close
    closed closely cloth clothes clothing cloud clover club clue clues coach coal coalition coast coconut code coder
    coding coffee coin coined cold cole collaborate collaboration collect collecting collection collections college
    colleges collimator collimeter colon colonial color colors combat combination combined come comedies comedy comes
    comfortable comic comics coming commencing commentary commercial commercials committed common commonly communicate
    communicating communication communications communities community companies company compared competition
    competitions competitive compilation compiled complete completed completely completing complex complexity
    complicated component composed comprehend comprehensive computer computers computing concentration concept
    concepts concern concerned concerns concerts concluded condition conditional conditioning conditions conduct
    conducted conference confidence confident config confirm confirmed conflict confuse confusion congress connect
    connected connecting connection connections conscious consciousness consecutive consequences consider considerable
    considerations considered considering consistent consisting consists const constantly constitution constraints
    construction consular consult consultancy consultation consume consumer consumers contact contacts contain
    contained containing contains contaminate contaminated contamination content context continually continue
    continued continues continuing continuity continuous continuously contraception contraceptive contract contracting
    contractionary contribute contributing control controlled conversation convert cook cooked cooking cool cooper cop
    cope copies coping copy coral cord core coronavirus coronaviruses corporate correct correctional correctly
    correlation corresponds corticosteroids cost costs cotton cough coughing coughs could counseling counselling
    counselor count counter countertops countries country couple coupled couples courage course courses coursework
    court cover coverage coveralls covered covering coverings covers coworkers crackers crane crazy cream create
    created creating creation creative creature creatures credit credits crisis criteria critical criticism cross
    crossword crosswords crow crowded crowdsourcing crowed crucial cruel cruise cry cryptic crystal cultural culture
    cup cups curious curling current currently curry customer customers cut cyber cyborg dad daily daisy dale damage
    dance danger dangerous dark dash data dataset date dates dating daughter dawn day days deaf deal dealing dean dear
    death deaths debilitating debugging decades decide decided decision decisions declared decrease decreased
    decreases decreasing dedicated deemed deep deeper def defeated defense defensive define defined definitely
    definition degree delay delicious delighted deliver delivered deliveries delivering delivery dell demand demands
    democrats demonstrating den dengue deny depart departments depend dependencies depending depends depressing
    depression depth derby derivative describe described describes describing description deserialize deserve design
    designated designed desirable desired despite destination detail detailed details determine determined determining
    develop developed developer developers developing development device devices diabetes diagnose diagnosed diagnosis
    diagnostic dialogue diamond diarrhoea dick dictionary did didnt die died diet difference differences different
    differently difficult difficulty digital dinner dioxide direct directed direction directions directly director
    directory dirk dirty disabilities disability disappointed disappointing disappointment discharge discipline
    disclosed discord discovered discretion discrimination discuss discussing discussion disease diseases dish
    disinfect disinfectants disinfection disorder disorders display disposable distance distancing distinct
    distinguish distribution distributions diversity divide doctor document documentation documents does dog dogs
    doing dollar dolly domestic dominating don donated done dont door doorknobs doors dot double doubles doubt dove
    down draft dragon drained drake drama dramas draw drawing drawings dream dreams dress dressed drew drink drinking
    drinks drive drivers driving droplets drug drugs dry ducts due duet duets duke dumb during dusty duty dynamically
    dynamics dynasty each ear earl earlier early earn earnest earning earnings earth earthquakes ease easier easily
    east easy eat eating ebony echo economic economy eden edge editing edition education educational effect effective
    effects efficacy efficient effort efforts eggs eight either elaborate elder election electric electronic element
    elements eleventh eligibility eligible eliminated elm else email emails ember emerald emergency emerging emmy
    emotion emotional emotionally emotions employed employee employees employer employers employment empty emptying
    enable encounter encourage encouraged encourages end ended endothermic ends energy engage engaged engaging engine
    engineer engineers engrossed enhance enjoy enjoyable enjoyed enough enrolments ensure ensuring enter entering
    enthalpy entire entirely entities entitled entitlement entitlements entity entry environment environmental epic
    episode episodes equally equation equations equipment equivalent era eraser errors escape eschews escorted
    especially essential estimate etc evaluating eve even evenly event events eventually ever every everyday everyone
    everything everywhere evidence exact exactly exam example examples excellent except exceptional exchange excited
    exciting excluded exclusive execute executed execution exercise exercises exhalation existence existing exists
    exit exothermic expect expectations expected expensive experience experienced experiences experiencing experts
    expired explain explaining explanation explicitly exploring explosions expose exposed exposure express expressed
    expressing expression exquisite extend extended extending extension external extra extreme extremely eye eyes
    fabric face facemasks facilities facility facing fact factor factors facts fair fairly faith fall falling false
    familiar families family famous fan fans fantastic fantasy far fast faster father fatigue favorable favorite
    favorites fawn fear fears feasible feature features featuring fed feedback feeding feel feeling feelings feels
    fees feet fell felt female fern fever few fewer fiance fiction fictional field fight figure file filename files
    filled film filmmaker films filter final finale finally finance financial financially finch find finding findings
    fine fire firms first fiscal fish fisher fit fitness fits five fix fixing flavor flexibility flexible flight flint
    flip flipping floating floor flora florence flow flower fluid fluids fly focus focused focusing folk folks follow
    followed followers following follows font fonts food foods football footballs for force forces forest forever form
    formal format formats formed former forms formula forrest fortnight forward foster foul found foundation four
    fourth fox frame framework franchise frank freaking free freedom frequencies frequency frequent frequently fresh
    friday friend friendly friends friendship friendships from front frost frustration fry full fully fumbled fun
    function functions fund fundamental funding funds funny further future gain gaining gale game gameplay gamer games
    garfield garnet gas gasoline gather gathering gatherings gave gay gene general generally generate generated
    generating generation genesis genre get gets getting ghost gift ginger girl girlfriend girls give given gives
    giving glad gland glen glob global glory glove gloves glucose goal goals goes going gold golden golf gone good
    goods got gotten government governments gowns grace grade grades gradually grain grammar grams grand grant granted
    grants grass gravity gray great greater greatest greatly green greens grey griffin grocery grossing ground
    groundbreaking grounds group groups grow growing grown growth guard guess guessed guest guidance guide guidelines
    guides guitarist guy guys gym habits hack had haha hair hale half hall hand handed handheld handle handles
    handling hands handwashing hank happen happened happening happens happiness happy hard harder hardware hardy harm
    harmony harp harper hart has hashtags hat have having hawk hay hazel head heading headquarters heads health
    healthcare healthy heaping hear heard hearing heart heat heated heath heather heaven heavy held helicopter helo
    help helped helper helpful helping helpline helps hence henna hepatitis her herb here hero herself hesitant hey
    hidden hide high higher highest highlight highly hill him himself hint hired his historical history hit hockey
    hold holders holding holds holiday holidays holly home homeless homes honest honey honor hood hook hooks hope
    hormone hormones horror hospital hospitalized hospitals host hosted hosting hot hotter hour hours house household
    households houses housing how html https huddle huddled huge hugh hulk human humans humble hunt hunter hurt
    hurting husband hydroxychloroquine hygiene hyperacusis hypertension hyperthyroidism hypothyroidism ice icon
    iconexternal idea ideal ideally ideas identification identified identify ignore ignored ill illegal illness
    illnesses image imagery images imagine imaging immediate immediately immune impact impacts implement implemented
    import importance important imports impossible impressive improve improved improving inch inches incident include
    included includes including inclusion income incorrect increase increased increases increasing incredible
    incredibly indeed indented independent indicate indicated indicates indicator indicators individual individuals
    industries industry infect infected infection infections infectious infer inferential infertility infinity
    inflation influence influenza inform information informed infrastructure ingredients initially initiated injuries
    injury input insane insecure insecurities inside insights inspections installment instance instead instructions
    insurance intake integer integers intelligence intended intense intensity interaction interactions interactive
    interdisciplinary interest interested interesting interests interim internal international internet interpreted
    interrupted interventions interview into intricate invented inventor investment involve involved involves
    involving iodine iris iron island isolate isolated isolation issue issued issues item items iterable iterates
    itinerary its itself ivory ivy jack jade japan jasmine jasper java jay jazz jersey jet jewel jewels jimmy job jobs
    john join joint joke jokes jolly josh journal journalism journey joy json judge jules july june junior just
    justice justin keep keeping keeps kept keras key keyboardist keyword keywords kicker kicks kid kidney kids kind
    kinds king kiosks kit kitchen kitchens kitty kiwi knew knight know knowing knowledge known knows labor laboratory
    lace lack lacking lady lake lance landline lane language languages laptop laptops large largely larger largest
    lark last late lately later latest launch launched laundry laurel law laws lay layer layers lead leader leading
    leads leaf leafy league learn learned learning least leave leaves leaving led lee left legal legally legend
    legislation legs lemon len lender lenders length lens less lessons let letter letters letting lettuce level levels
    levy liberty libraries library life lifetime light lightbulbs lights like liked likelihood likely likes liking
    lily lime limit limitations limited limiting limits linden line lines link linked links linux lion liquid list
    listen listening lists literally literature little live lived lives living local located location locations lock
    locker logical logically long longer longest look looked looking loop loops lord lose losing loss losses lost lot
    lots lottery lotus loud love loved loves loving low lower loyalty luck lucky luna lung lungs lynx lyrics mace
    machine machines mad made magnolia main mainly maintain maintained maintaining major majority make makes makeup
    making malaria male mall man manage managed management manager managers managing manga mango manner mans
    manufacturer many maple march marina mark market markings marriage married marsh marshal marvel mash mask masks
    mason mass master masterpiece mat matchstick material materials math mathematical mathematician matter matters max
    maximum may maybe mayor mead meal meals mean meaning means meant measure measured measurements measures medal
    media median medical medication medications medicine medicines meditation medium meet meeting meetings meets
    melody member members memory men mental mention mentioned mercy merit merry message messages met metal method
    methods metre metres middle might mike mild mile miles military milk mill miller million min mind minigun minimise
    minimum minister minor mint minutes mirror misophonia missing mistakes misty mixed mixing mixture mlb mobile mod
    model models moderate moderator modern modified module moe moisture mom moment moments monarchy monday monetary
    money monitor monitoring monkey month monthly months mood moon more morgan morning moss most mostly mother mothers
    motion motivated mount mouth move moved movement movements moves movie movies moving much multiple muscle muscles
    music musical must mustard myrtle myself name named names narrow nasal native natural nature near nearby nearly
    necessarily necessary need needed needing needs negative neither nervous net network networking neural never new
    news next nice nick night nights nine ninja noble nobody noel noise nominated non none nonfiction nooutput nor
    norm normal normally north northern nose not note notebook nothing notice notify nova novel novels novelty now
    number numbers numerous nun nurse nursing nuts oak object objects obligations occasion occasional occur
    occurrences occurring occurs ocean odd off offensive offer offered offering offers officers official officially
    officials often oil okay old older olive once one ones ongoing onion onions online only onset onto opal open
    opened opening opera operate operated operating operation operator opinion opinions opportunities opportunity
    opposing opposite optics optimize option options orange orbit orbital orbiting order ordering organisations
    organised organization organizations organized original originally originated other others otherwise otter our
    ourselves out outbreak outcome outcomes outline outlined outside over overall overcome overhead overrides overseas
    overwhelmed own owned owner owners owns oxygen packaging packet packets packs pads page pages paid paige pain
    painful painted pair pairs pan pancakes panda pandemic panic panther pants paper paradoxes parameters parcels
    parent parentheses parents park parker parks parse part partial participants participate participating
    participation particular particularly partner partners parts party pass passed passengers passing passionate past
    pat path pathogens patience patient patients patterns paul pay paying payment payments peace peach peaking pearl
    peers peg pencil penny people pepper per percentage perfect perfection perform performance performances performed
    performing perhaps period periods permanent permitted perry persistent person personal personality personally
    personnel persons perspective persuasive pet petal peter pets phoenix phone phonophobia photo phrase phrases
    physical physically physician physicist physics piano pick picking picks pieces pierce pike pilot pinch pine pink
    piper pistol pitcher pixel pizza place placed places placing plaes plan planet planning plans plant plastic
    platform platforms play played player players playing playoff playoffs plays pleas please plenty plot plum plus
    pocket poem poems poetry poets point pointed points police policies policy political politics pollard pony poor
    pop popcorn popping poppy popular popularity population populations portal porter portrayed position positive
    possession possible possibly post posts potato potential potentially potter power powerful powers practical
    practice practices practicing praise precautionary precautions precious predict predicting prefer pregnancies
    pregnancy pregnant premiere premiered premises preparation prepare prepared preparedness preparing prescient
    prescribed prescription presence present president presidents presley pressure pretty prevent preventing
    prevention preventive previous previously price prices pricing primarily primary prime prince princess principal
    principles print prints prior prioritise priority private pro probabilities probability probably problem
    problematic problems procedure procedures process processing processor produce produced producers produces
    producing product production products professional professionals proficient profile profits program programme
    programmer programmers programming programs progress progressive project projects promote promoting prompts proper
    properly properties property proposed protect protected protecting protection protective protein protocols prove
    provide provided provider providers provides providing provision prudence psychological psychology pub public
    publicly publish published pudding pulmonary pupils purchase purchased purchasing pure purpose purposes push put
    puts putting puzzle python pythons qualities quality quantities quantum quarantine quarterback que queen question
    questioner questions quickly quiet quite races racing radio radius rain rainbow raise raised ramsay random
    randomly randy range ranges ranked rapid rapidly rare rate rated rates rather rating ratio raven ray reach reached
    reaching react reactants reaction reactions read readability readable readers readily reading reads ready real
    reality realize really reason reasonable reasonably reasons recast receive received receiving recent recently
    recess recipients recognise recognize recognizing recommend recommendation recommendations recommended recommends
    record recorded records recourse recover recovered recreation red reduce reduced reduces reducing reduction reed
    reef refer reference referred referring refers reflect reflects refund regard regarding regardless region regional
    register registered regular regularly reign reinforce rejected related relating relation relationship
    relationships relative relax relaxation relaxed release released releases relevant reliable relief relieve
    religion religious rely remain remaining remains remedy remember remind reminder remote remove removed reopening
    repeat replace replaced report reported reports representative representing represents reproductive republicans
    reputed request require required requirement requirements requires research researched resentment reserved
    resident residential residents residual resolution resolve resource resources respect respective respirator
    respirators respiratory respond responders responds response responses responsibilities responsibility responsible
    rest restaurant restaurants restricted restrictions result resulted resulting results retirement retrained return
    returned returning returns revealed revenue review reviews revolution rewarding rhythm rice rich riddled ride
    ridge right rights ring risk risks river road rob robin rock rocket rocks rocky rod role roll rolling romantic
    room rooms root rose rosemary rosy rotating rotation rotors route routes routine routinely rowan rub rubber ruby
    rue rule rules run runnable running runs runtime rust rusty rye sac sad sadness safe safeguard safeguarding safely
    safer safety sage said sailor saiyan salary sales sally salt same sample samples sandy sang sanitary sanitation
    sanitisers sanitizer santa sapphire satellite satellites satin saturday savannah save saw sawyer say saying says
    scale scares scarlet scenarios scenes schedule schedules scheme schemes school schools science scientific
    scientist score scored scout screening script sea search season seasonal seasons seat second seconds secret
    section sections sector sectors secure security see seed seeing seek seeking seem seems seen seismic select
    selected self sell selling semifinals send sense sensitivity sent sentence sentences separate separated separately
    sequel sequence serenity series serious seriously serve served server service services serving session sessions
    set sets setting settings settled several severe severely sexist sexually shade shadow shape shapes share shared
    sharing she sheet shell shelters sherry shield shift shifts ship shirt shocking shoots shop shopping short
    shortage shorter shortness shot should shoulder show showed showing shown shows shut shy sick side sienna sign
    signage signals signed significant significantly signs silver similar similarities simple simply since sing singer
    singing single singles sings sister sit sitcom site sites sitting situation situations six size skill skilled
    skills sky skylar slack slang slate sleep sleeping slice slow slower slowly small smaller smallest smart smell
    smith smoothie snacks sneezes sneezing snow soap soccer social socially software sol sold solid solution solutions
    solve solved solving some someone something sometimes somewhere son song songs songwriter sonny soon sore sorry
    sort sound sounds source sourced sources south southern space spaces spark sparks speak speaker speakers speaking
    special specialist specialize specialized species specific specifically specifications specified specimens speed
    spelling spencer spend spending spent spin spinning split sport sports spot spread spreading spreads spring
    sprinkle spy square stable stadium stadiums staff stage stages stand standard standards standing stands star
    starling stars start started starting state stated statement statements statically stations status statutory stay
    staying steel stella step steps sterile sterling stick stigma still stone stood stop stopped stops store stored
    stores stories storm story stove straight strange strategic strategies straw stream street strength stress
    stressed stressful stretch string strive strong strongly structure structures struggle struggling stuart student
    students studies studio study studying stuff style styles subclass subducted subject submit subscribers subsequent
    substantial substitute success successful such sudden sue sufficient sugar suggest suggested suggesting
    suggestions suggests suit suitable summary summer summit sun sunday sunlight sunny super superannuation superbowl
    superhero superheroes superimposed superman supernatural superpowers supervised supplements supplies supply
    support supported supporting supportive supports supposed sure surface surfaces surgeries surgical surprised
    surprising surrounded surrounding surroundings surveillance survive survivors susceptible suspect suspected
    suspended sustainable swab swan swapping sweet swim swimming switch switches symptom symptomatic symptoms syntax
    system systems tables tablets taco tailored tails take taken takes taking talent talented talk talking tallest
    tanner target targets task taste tasty taught tawny tax taylor teach teacher teal team teams tech technical
    techniques technologies technology teddy teenager teens telecommunications telehealth telephone television tell
    telling tells temper temperature template temple temporarily temporary ten tend tennis term terminal terminator
    terms territories territory terry test tested tester testing tests text texting texts than that thats the theater
    theatrically their them theme themes themselves then theory therapies therapist therapy there therefore therer
    these thesis they thing things think thinking third this thomas thorn thoroughly those though thought thoughts
    thousands three throat through throughout throw thursday thus thyroid ticket tie tiffany tiger timber time times
    tiny tip tips tired tissue title titled tobacco today together toilets told tom ton tone too took tool tools top
    topic topics tortilla tortillas total totally touch touchdown touched touching tour toward towards towels toy
    trace tracing track tracking tract trading traditional traffic train trained training transfer transferred
    transformer translates transmission transmit transmitted transport transporting travel traveler travelling travis
    tray treat treated treating treatment treatments trees trial trials triangle tribal trick tricks tried tries
    triggered triggers trilogy trip trouble true truly trust trusted trusts truth try trying tuberculosis tucker
    tuesday tuna tune turn turned turner turnover tutorials twelfth twice two type typed types typical typically
    ubuntu unable unclear uncomfortable unconditional under underlying understand understandable understanding
    understood understudy undertaken underway unemployed unemployment unengaged unintended unique unit units unity
    universe universities university unknown unless unnecessary unreasonable unsafe unsure until unwell update updated
    updates upon upper upset urgent use used useful user users uses using usual usually utensils vacation valid
    valuable value values valve van variable variables variations variety various vary vast vegetables veggies vehicle
    vehicles velocity ventilation venture venue venues vera verify versatile version vertical vertices very via vibes
    video videos view viewing viola violence violet viral virtual virtue virus viruses visa visibility visibly visit
    visitation visiting visitor visitors visits visual vitamin vivid vocalist vocalists voice voiced voices volcanic
    volume volunteer vote voting voucher vulnerable wade wages wait waiting wake walk walker walking wall wallace want
    wanted wanting wants war ward warm warner warning warren was wash washed washing waste watch watched watching
    water waters way ways wear wearer wearers wearing wears weather weaver web webb website websites wedding wednesday
    week weekend weekly weeks weight weighted weird welcome welcomed welfare well wellbeing went were west what
    whatever wheat wheeler when where wherever whether which while whirling whisper white who whole whom whose why
    wide widely wider wife wild will willing willow win windows wine winning winter wise wish wishes with within
    without withstand wits wolf woman women won wonder wonderful wondering wood woods wool word words work worked
    worker workers workforce working workplace works world worldwide worn worried worry worrying worse worship worst
    worth would wraps wren write writer writing written wrong wrote yard yards year years yellow yet yogurt you young
    younger your yourself youth youtube zen zone zones
    """.split()
)
