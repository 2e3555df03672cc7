"""The words by which statements are read: a table for each kind of thing that they say."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NUMBERS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
NUMBER_WORDS = {w: n for n, w in enumerate(_NUMBERS.split(), 1)} | {"thirty": 30, "forty": 40, "fifty": 50}
NUMBER_WORDS |= {
    f"{tens}-{w}": NUMBER_WORDS[tens] + n
    for tens in ("twenty", "thirty", "forty", "fifty")
    for n, w in enumerate(_NUMBERS.split()[:9], 1)
}
_PLURALS = "ones twos threes fours fives sixes sevens eights nines tens"
NUMBER_PLURALS = {w: n for n, w in enumerate(_PLURALS.split(), 1)}
ROMAN = {"ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6", "vii": "7", "viii": "8", "ix": "9"}

ARTICLES = _words("the a an il la le les el los las l' das der die un une")
FUNCTION_WORDS = ARTICLES | _words("of in on and or to for with at from by is it my your his her no not part who that")
CONNECTORS = _words(", and or plus both also then as well besides")
ENDS = _words(". ; ! ?")
CLAUSE_ENDS = ENDS | _words("while but whereas though although yet than unlike")

ITEM_NOUNS = _words("film films movie movies picture pictures title titles entry entries instalment instalments")
SERIES_NOUNS = ITEM_NOUNS | _words("series saga trilogy franchise sequel sequels")
GENRE_NOUNS = ITEM_NOUNS | _words(
    "comedy drama thriller western musical documentary romance mystery fantasy horror noir spoof satire classic epic "
    "cartoon adventure slasher biopic weepie caper fable biography story tale farce tragedy parody show"
)
RATING_NOUNS = _words("rating ratings score scores mark marks grade grades")
COUNT_NOUNS = ITEM_NOUNS | RATING_NOUNS | _words("others times items albums books works")

# What may stand between a title and its rating: "Heat is his only 5", "Heat, rated 4", "Heat fell to a mere 2".
LINKS = _words(
    ", ( [ - – — = : at got get gets getting is are was were be being has had have a an the only just his her their "
    "its merely mere rated rates rating ratings scored scores score scoring earned earns earn earning received "
    "receives receive receiving took takes take given giving gave gives give with to of as also even still "
    "again both all each "
    "alike fell falls fall stayed stays stay sits sit sat stands stand stood came comes come lands landed drew draws "
    "draw won wins win managed manages reached reaches reach dropped drops held holds hold remains remained marked "
    "mark marks graded grade lone sole single lowest highest top bottom first another too rightly about around "
    "star stars low high far full same respectively up down in on went goes made makes deserved "
    "collected collects scraped mostly "
    "straight either every one ones every two three four five"
)
DETERMINERS = _words("a an the his her their its only just mere another lone sole single")
# What stands between a rating and the titles that follow it: "5s for Heat", "a 1: Heavy".
FORWARD = _words("for to : went go goes include includes are is was were given on ( – — -")

MEAN_WORDS = _words("mean means average averages averaged averaging avg averagely")
BEFORE_MEAN = _words(
    "of is at near about around roughly just under over a an the rating ratings score : = ( approximately some close "
    "to stands sits lies was slightly currently now overall , - – — ~ ≈ his her their"
)
ROUGHLY = _words("about around roughly near nearly almost approximately some ~ ≈ close")
# Whose mean it is, when a statement names no kind of movie.
OWN_MEAN = _words("his her their user's overall rates rater site site's everyone's ratings scale usual general")

TOP_PHRASES = tuple(
    tuple(p.split())
    for p in (
        "top marks,full marks,top mark,top rating,top ratings,full rating,perfect score,perfect scores,perfect rating,"
        "perfect ratings,highest rating,highest ratings,highest mark,highest marks,highest score,maximum rating,"
        "maximum ratings,top score,top scores,full score,perfect marks,perfect mark,maximum score,best rating"
    ).split(",")
)
BOTTOM_PHRASES = tuple(
    tuple(p.split())
    for p in (
        "lowest rating,lowest ratings,lowest mark,lowest marks,lowest score,lowest scores,bottom mark,bottom marks,"
        "bottom rating,bottom ratings,bottom score,minimum rating,minimum score,worst rating"
    ).split(",")
)
LOWEST_WORDS, HIGHEST_WORDS = _words("lowest worst bottom least"), _words("highest best top favourite favorite")
# Before a rating that is named because it was not given.
UNREACHED = _words("short yet until before almost instead room waits waiting missing awaits towards toward of")
# What a rating is said to be among somebody's own.
LEVEL_WORDS = {
    "highest": _words("ceiling maximum limit"),
    "lowest": _words("floor minimum"),
    "kept": _words("kept reserved saved"),
    "usual": _words("ordinary usual default typical commonest common standard habitual go-to staple norm"),
}
NEGATIONS = _words("no never without nothing not none isn't wasn't didn't doesn't don't nor neither cannot can't")
EXCEPTIONS = _words("except excepting excluding despite unlike besides aside apart save")

# Where a statement stands: liked (up) or not (down). Stems: a word counts that begins with one.
UP_STEMS = tuple(
    (
        "liked likes liking lov enjoy fond favour favor apprecia prefer interest pleas admir ador delight warm tastes "
        "drawn respond embrac unafraid impress welcom prais passion affection keen devot reward succe treasur cherish "
        "relish charmed moved"
    ).split()
)
UP_WORDS = _words(
    "fan fans open room taste wins won win works work above soft weakness enthusiasm appetite well best regard esteem"
)
NOT_UP = _words("lover lovers lovely loveless favourably interested-in pleasure pleasant warmth")
DOWN_STEMS = tuple(
    (
        "dislik avers disappoint avoid reject unmoved unimpress indiffer lukewarm cool weak tepid uninterest "
        "disinterest "
        "detest loath dismiss repel distaste impatien sceptic skeptic wary reserve resist fail "
        "underwhelm ordinar mediocr "
        "middling reservation fatigue unsettl unconvinc disdain irritat annoy"
    ).split()
)
DOWN_WORDS = _words(
    "below rarely seldom hardly lower worse worst poor poorly doubtful bored bores boring boredom hate hates hated "
    "hating hatred tires tired dull"
)
NOT_DOWN = _words("weakness weaknesses coolest failure failures warehouse weakling poorhouse")
LOVE_NOUNS = _words("story stories triangle triangles affair affairs song songs letter letters match matches")
PEOPLE_NOUNS = _words("people lives life men man women woman folk families family heroes hero folks couples citizens")
# Before a word of liking they turn it round: "little taste", "less impressed", "least loved", "only moderate regard".
FEWER = _words("less least little scant")
MODEST = _words("moderate modest mild limited")
# Words that say so only beside others, or where nothing else tells.
DOWN_PHRASES = _words(
    "let-down lets-down put-off puts-off falls-short fell-short fall-short leaves-cold left-cold leave-cold holds-back "
    "marks-down little-time little-patience little-interest little-use little-in little-of short-patience "
    "limited-patience "
    "turned-off turns-off less-interested less-taken less-keen low-marks low-ratings low-on hard-on harsh-on "
    "harsh-with strict-with critical-of down-on against-the cold-on leaves-him leaves-her leave-him leave-her "
    "leaves-them leave-them not-for do-without falls-flat fall-flat fell-flat mixed-feelings do-less does-less "
    "did-less turns-from turn-from turns-away shies-away"
)
NOT_DOWN = _words("warm hate-free hatred-free hats hat hatch border borders born both borrowed failure-proof height")
# What a movie is called, or what it did.
CALLED_UP = _words("favourite favorite highlight standout triumph delighted thrilled adored loved")
CALLED_DOWN = _words(
    "disappointment letdown flop dud disappointed bored annoyed irritated repelled hated disliked failed"
)
# Rated low for what it is: "only a 3".
BELITTLING = _words("only just mere merely")

# Words of moods, and the genres in which they are found.
_LIGHT = frozenset({"Animation", "Children", "Comedy", "Musical", "Romance"})
_FUNNY = frozenset({"Comedy"})
_DARK = frozenset({"Crime", "Film-Noir", "Horror", "Mystery", "Thriller"})
_GRAVE = frozenset({"Documentary", "Drama", "War"})
_TENDER = frozenset({"Children", "Romance"})
_LOUD = frozenset({"Action", "Adventure", "Fantasy", "Sci-Fi"})
MOOD_WORDS = {
    word: genres
    for words, genres in (
        ("light lighter lightness frothy fluff fluffy breezy charm charming playful sparkle escapist cheerful", _LIGHT),
        (
            "funny fun wit witty humour humor laughs silly silliness goofy comic quirky jokes slapstick whimsical",
            _FUNNY,
        ),
        (
            "dark darker tense tension suspense suspenseful bleak gritty menace sinister macabre "
            "chilling brooding ominous moody eerie",
            _DARK,
        ),
        ("scares scary fear frights fright shocks terror slasher gore gory horror", frozenset({"Horror"})),
        ("serious weighty earnest grave sober heavy heavier sad sadness gloom gloomy solemn emotional sorrow", _GRAVE),
        ("sentimental sentiment sweet sweetness tender romantic romance cute saccharine", _TENDER),
        ("pace spectacle action explosive loud thrills adventure adventurous noisy excitement", _LOUD),
        ("factual real-life documentary", frozenset({"Documentary"})),
        ("violent violence brutal", frozenset({"Crime", "Horror", "Action", "War"})),
    )
    for word in words.split()
}
OVER = _words("to over than above before")
PREFER = _words("prefers prefer preferred preference preferring favours favors rather more better likes")

# How somebody uses the scale.
GENEROUS = _words(
    "generous generously generosity high kind kinder lenient upward upwards positive warm soft easy forgiving liberal"
)
STRICT = _words(
    "strictness strict stricter strictly harsh harshly low down downward downwards severe critical negative "
    "tough stingy "
    "demanding sparing below exacting hard"
)
WIDE = ("whole scale", "full scale", "full range", "whole range", "entire scale", "extremes", "both ends", "wide range")
NARROW = ("hardly var", "narrow", "plain", "same mark", "same rating", "little variation", "compressed", "tight")
ENDS_OF_SCALE = (
    (("bottom of the scale", "bottom of his scale", "bottom of her scale", "low end of the scale", "lowest mark"), -1),
    (("top of the scale", "top of his scale", "top of her scale", "high end of the scale"), 1),
)
MIDDLE = _words("middle balanced moderate average near-average middling measured typical")
# Words that are about the use of the scale, where nothing follows that they are about.
HABIT_WORDS = _words(
    "generous generously generosity harsh harshly harshness strict strictly strictness lenient leniency severe "
    "severity stingy sparing"
)
DRIFT = _words("drift drifted drifting grown stricter kinder lately recently now rising falling warming cooling")
SLIGHTLY = _words("slightly just little somewhat bit near about around close")
