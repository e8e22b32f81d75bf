"""Which texts speak to the model instead of about a product: they are asked alone, to mislead about themselves only.

A net with holes, and no guard: what reaches a label column is settled by how answers are read. A false alarm costs one
more prompt, so the patterns are broad.
"""

import html
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter

# Letters of the tag block, blanks of no width, marks that turn the direction of writing and the selectors that can
# carry bytes: text that a model reads and a person does not see.
_HIDDEN = re.compile("[\U000e0000-\U000e01ef\u200b\u2060-\u2064\ufeff\u202a-\u202e\u2066-\u2069]")
# These stand inside honest words (emoji, Persian, hyphenation), so they are looked through.
_JOINERS = re.compile("[\u00ad\u034f\u200c-\u200f\u0300-\u036f]")
_OTHER_ALPHABETS = re.compile("[\u0370-\u1fff\u3040-\ud7ff]")
_TWO_ALPHABETS = re.compile("[a-z][\u0370-\u03ff\u0400-\u04ff]|[\u0370-\u03ff\u0400-\u04ff][a-z]")
_AS_LATIN = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0445\u0443\u0456\u0458\u0455\u0501\u051b\u051d\u04bb\u043a\u043c\u0442\u0432\u043d"
    "\u03b1\u03b5\u03bf\u03c1\u03c5\u03b9\u03ba\u03bd\u03c4\u03c7",
    "aeopcxyijsdlwhkmtbnaeopuikvtx",
)
_DIGIT_IN_WORD = re.compile("[0134579@$][a-z]")
_AS_LETTERS = str.maketrans("0134579@$", "oieastgas")
_LONE_LETTERS = re.compile(r"(?<=\b\w)[ ._*-](?=\w\b)")


# A text is cut into words and words into stems of this many letters: a set of them tells in two microseconds which of
# the rules, at six each, can match at all.
_STEM = 5
_stem_of = itemgetter(slice(_STEM))
# As bytes: str.translate looks up every different character anew, at five times the cost.
_BETWEEN_WORDS = bytes(code if code in b"$@" or chr(code).isalnum() or code > 127 else ord(" ") for code in range(256))
_NO_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class _Rule:
    """``pattern`` can only match a text that has a word beginning with one of ``stems`` and, unless ``others`` is
    empty, one beginning with one of those."""

    stems: frozenset[str]
    others: frozenset[str]
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class _Mark:
    """``pattern`` can only match a text that holds one of ``parts``."""

    parts: tuple[str, ...]
    pattern: re.Pattern[str]


def _pattern(pattern: str) -> re.Pattern[str]:
    # All read lower case: matching without case costs several times as much.
    return re.compile(pattern, re.VERBOSE | re.DOTALL)


def _rule(words: str, pattern: str, *, beside: str = "") -> _Rule:
    return _Rule(_stems(words.split()), _stems(beside.split()), _pattern(pattern))


def _stems(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word[:_STEM] for word in words)


def _mark(parts: str, pattern: str) -> _Mark:
    # As the text will be: some letters (in Thai, say) are taken apart by it.
    parts, pattern = unicodedata.normalize("NFKC", parts), unicodedata.normalize("NFKC", pattern)
    return _Mark(tuple(parts.split()), _pattern(pattern))


_RULES = (
    _rule(
        "ignore disregard forget override bypass skip overrule",
        r"""\b(?:ignore|disregard|forget|override|bypass|skip|overrule)\b.{0,40}
            \b(?:instruct|prompt|rules?\b|above|previous|prior|system|everything|before|earlier|told|guideline|context)""",
    ),
    _rule(
        "follow obey attention",
        r"""\b(?:do\s+not|don'?t|stop|never|no\s+longer|pay\s+no)\s+(?:follow|obey|attention)\w*\b.{0,40}
            \b(?:instruct|prompt|rule|above|previous|prior|system|guideline|order)
            |\b(?:follow|obey)\b.{0,20}\b(?:these|this|my|new|following)\b.{0,20}\b(?:instruct|order|rule|command)""",
    ),
    _rule(
        "instructions prompt prompts task role guideline system developer admin sudo",
        r"""\b(?:new|real|actual|true|updated|revised|changed|only|hidden|secret|initial|original|your)\s+
            (?:\w+\s+)?(?:instruction|task|role|guideline|prompt)
            |\b(?:system|developer|admin\w*)\s*(?:prompt|message|instruction|override|mode|note|command)\b
            |\b(?:prompt|instruction)s?\s*(?:injection|:|\#)|\bsudo\b""",
    ),
    _rule(
        "longer ai assistant model classifier bot answer reply respond output classify label tag act categorise "
        "choose assign print pretend role roleplay",
        r"""\byou(?:\s+are|'re)\s+(?:no\s+longer|an?\s+(?:ai|assistant|model|classifier|bot|helpful))\b
            |\byou\s+(?:must|will|should|shall|have\s+to|need\s+to)\s+
             (?:answer|reply|respond|output|classify|label|tag|act|categori[sz]e|choose|assign|print)\b
            |\b(?:pretend|act)\s+(?:as|to\s+be|you\s+are|like)\s+(?:a|an|the|if|my|you)\b.{0,30}
             \b(?:ai|assistant|model|bot|system|classifier|admin\w*|developer|expert|row|category|poet|pirate|grand\w*)
            |\brole[\s-]?play""",
    ),
    _rule(
        "now",
        r"""\byou(?:\s+(?:are|must|will|should|shall)|'re)\s+now\b
            |\bfrom\s+now\s+on\b.{0,40}\b(?:you|every|all|answer|label|only|row|category|respond)""",
        beside="you from",
    ),
    _rule(
        "answer reply respond output print return write emit say put give",
        r"""\b(?:answer|reply|respond|output|print|return|write|emit|say|put|give)\b.{0,30}
            \b(?:only|with|for|all|every|each|them|nothing)\b.{0,30}
            (?:\brow|\bline\s*\d|\blabel|\bcategor|\bnumber\s*\d|\bdigit|\bzero\b|\d+\s*:\s*\d+)
            |\b(?:answer|reply|respond|output|print|emit)\s+(?:only\s+|with\s+|exactly\s+|just\s+|always\s+|:\s*|"|')*
             (?:\d|zero\b|one\b|two\b|three\b|four\b|five\b|unknown\b)""",
    ),
    _rule(
        "classify label tag categorise categorize mark rate sort assign put treat count",
        r"""\b(?:classify|label|tag|categori[sz]e|mark|assign|sort|treat|count)\b.{0,30}
            \b(?:all|every|each|this|these|other|others|row|rows|as|everything|them)\b.{0,30}
            (?:\brow|\bcategor|\bunknown|\d|\bbelow\b|\babove\b)
            |\b(?:classify|label|tag|categori[sz]e|mark|rate|sort|treat)\b.{0,20}
             \b(?:this|these|it|me|row|review|reviews|feedback|comments?|everything|messages?)\b.{0,20}
             \b(?:as|under|into)\b
            |\bput\b.{0,20}\b(?:row|review|feedback|this|everything)s?\b.{0,20}\b(?:in|into|under)\b.{0,15}\bcategor""",
    ),
    _rule(
        "category categories label labels labelled labeled classification tag tagged class classified answer sorted "
        "marked",
        r"""\b(?:correct|right|true|real|final|proper|expected|best|only|valid)\s+
            (?:categor|label|tag\b|class\b|answer|classification)
            |\b(?:categor(?:y|ies)|labels?|classification|tag|class)\b["'*]*\s*(?:[:=\#]|->|=>|\s(?:is|must|should|shall)\b)
            |\bcategor(?:y|ies)\b.{0,12}\b\d|\b\d{1,3}\b.{0,12}\bcategor
            |\b(?:new|extra|another|additional|change|rename|delete|replace|add)\b.{0,12}\bcategor
            |\b(?:should|must|shall|to)\s+be\s+(?:labell?ed|tagged|classified|categori[sz]ed|marked|sorted)
            |\b(?:belongs?|goes|fits?)\s+(?:to|in|into|under)\s+(?:the\s+)?categor""",
    ),
    _rule(
        "row rows line lines entries entry reviews input",
        r"""\b(?:all|every|each|any|other|previous|following|next|remaining|first|last|preceding|neighbou?ring)\s+
            (?:rows?|lines|entries|reviews)\b
            |\b(?:row|line|entry)\s*\#?\s*(?:number\s*|no\.?\s*)?\d+|\brows\s+\d
            |\bend\s+of\s+(?:the\s+)?(?:rows?|input|data)""",
    ),
    _rule(
        "jailbreak injection ai language chatgpt claude llm llms gpt model assistant classifier bedrock",
        r"""\b(?:jailbreak|prompt\s+injection|as\s+an\s+ai|language\s+model|chatgpt|claude|llms?|gpt-?\d|bedrock)\b
            |\b(?:dear|hey|hello|to|attention)\s+(?:the\s+)?(?:ai|model|assistant|classifier|bot|llm)\b
            |\b(?:ai|the|this)\s+(?:model|assistant|classifier)\s*(?:must|should|shall|will|has|:|,)""",
    ),
    _rule(
        "base64 rot13 hex decode",
        r"\b(?:base64|rot13|hex:)|\bdecode\b.{0,40}\b(?:follow|execute|obey|run|do)\b",
    ),
    _rule("assistant system user human ai bot model", r"\b(?:assistant|system|user|human|ai|bot|model)\s*[:>\]}|]"),
    # Other rows than one's own: a customer does not know that there are any.
    _rule(
        "comment comments complaint complaints text texts feedback reviews messages entries batch kommentare zeilen "
        "commentaires lignes comentario comentarios filas commenti righe",
        r"""\b(?:all|every|each|every\s+single|other|next|remaining|following|these|the\s+rest\s+of(?:\s+the)?)\s+
            (?:\w+\s+)?(?:comments?|complaints?|texts?|feedback|entries|messages)\b
            |\b(?:text|comments?|messages?|everything)\s+(?:below|above|that\s+follows?)\b|\bin\s+this\s+batch\b
            |\b(?:all?e[rs]?|alle|jede[rns]?|toutes?\s+les|tous\s+les|cada|tod[oa]s\s+l[oa]s|tutt[ie]\s+[ilg]\w*)\s+
             (?:kommentare?|zeilen?|commentaires?|lignes?|comentarios?|filas?|commenti|righe)\b""",
    ),
    # Both words of the first rule are common, seldom together.
    _rule(
        "option category label number choice",
        r"\b(?:choose|pick|select|use|take|output|write|say)\b.{0,25}\b(?:option|categor|label|number|choice)",
        beside="choose pick select use take output write say",
    ),
    _rule(
        "option choice file filed categorisation categorization classification labelling labeling",
        r"""\b(?:option|choice)\s+(?:number\s+)?(?:\d|one\b|two\b|three\b|four\b|five\b|zero\b)
            |\bfiled?\b.{0,40}\b(?:under|as)\b|\bclassification\b|\bcategori[sz]ation\b
            |\blabell?ing\s+(?:software|system|model|task|tool)""",
    ),
    _rule(
        "instruct commands configuration repeat note ignoring disregarding reply response result summarise summarize "
        "translate instructions prompt",
        r"""\binstruct\s+you\b|\byour\s+(?:\w+\s+)?(?:instructions?|configuration|commands?|programming|prompt|rules)\b
            |\bas\s+(?:a\s+)?commands?\b|\brepeat\s+after\s+me\b|\b(?:ignoring|disregarding)\b.{0,25}\b(?:earlier|previous|above|prior|instruct)
            |\bnote\s+(?:for|to)\s+(?:the|any|all)?\s*(?:label|class|software|system|ai|bot|model|reader|machine|program)
            |\b(?:reply|response|result)\s*:\s*\d|\b(?:summari[sz]e|translate)\b.{0,20}\b(?:the|this|these|all|every)\b""",
    ),
    # The same order in other languages that are written in Latin letters; accents may be missing.
    _rule(
        "ignorieren vergiss vergesse missachte beachte antworte ordne kategorie",
        r"""\b(?:ignorier|vergiss|vergesse|missacht|beachte)\w*\b.{0,40}
            \b(?:anweisung|regel|vorherig|bisherig|oben|obig|instruktion|vorgabe|prompt|alles|zeile)
            |\bantworten?\b.{0,15}\b(?:nur|immer)\b.{0,20}(?:\d|zeile|kategorie)
            |\bordne\b.{0,40}\bkategorie|\bkategorie\s*\d""",
    ),
    _rule(
        "ignora olvida olvide descarta omite oublie oubliez esqueca esqueça desconsidere dimentica trascura responde "
        "responda repondez répondez rispondi clasifica classifica classez",
        r"""\b(?:ignor\w*|olvid\w*|descart\w*|omit\w*|oubli\w*|esque\w*|desconsider\w*|dimentic\w*|trascur\w*)\b.{0,40}
            \b(?:instruc|instruç|istruzion|regla|regra|regol|r[eè]gle|consigne|anterior|pr[eé]c[eé]dent|previ[ao]s|ci-dessus)
            |\b(?:responde|r[eé]ponds|r[eé]pondez|rispondi|responda|clasifica|classifica|classe|classez)\b.{0,40}
             \b(?:solo|seulement|uniquement|apenas|soltanto|todas?|toutes?|tutt[ei]|filas?|lignes?|righe|linhas?|categor|cat[eé]gor)""",
    ),
    _rule(
        "negeer vergeet zignoruj zapomnij pomin pomiń yok yoksay unut unutun gormezden görmezden ignorera ignorer glom "
        "glöm abaikan lupakan bo bỏ",
        r"""\b(?:negeer|vergeet)\b.{0,40}\b(?:instructie|regel|vorige|eerdere|bovenstaande)
            |\b(?:zignoruj|zapomnij|pomi[nń])\w*\b.{0,40}\b(?:instrukc|polece|poprzedni|regu[lł])
            |\b(?:talimat|kural|[oö]nceki)\w*\b.{0,40}(?:yok\s?say|unut|g[oö]rmezden)
            |\b(?:yok\s?say|unut|g[oö]rmezden)\w*.{0,40}(?:talimat|kural|[oö]nceki)
            |\b(?:ignorera|ignorer|gl[oö]m)\b.{0,40}\b(?:instruktion|instruks|regl|tidigare|tidligere)
            |\b(?:abaikan|lupakan)\b.{0,40}\b(?:instruksi|aturan|perintah|sebelum)
            |\bb[oỏ]\s+qua\b.{0,40}(?:h[uư][oớ]ng\s+d[aẫ]n|l[eệ]nh|tr[uư][oớ]c)""",
    ),
)
_RULES_OF_STEM = {stem: [rule for rule in _RULES if stem in rule.stems] for rule in _RULES for stem in rule.stems}
_ALL_STEMS = frozenset(_RULES_OF_STEM)

_ANY_MARK = re.compile(r"[:<>\[|=`{#]")
_MARKS = (
    _mark(
        "<",
        r"""<\s*[/!]?\s*/?\s*(?:rows?|categor|system|instruct|ticket|prompt|assistant|user|human|answer|output|label|tag|
            document|data|example|script|thinking|tool|function|context|message|end|--)|<\||<<""",
    ),
    _mark(
        "[ ### ``` ----- ===== {",
        r"\#{3,}|\[\s*/?\s*(?:inst|system|user|assistant|end|answer)|```|-{5,}|={5,}|\{\{|\{\s*\\?[\"']",
    ),
    # Two answers of the form that is asked for, in any dress (1:2 2:2, "1": 2, 1=2, 1|2, 1 -> 2), or one on a line.
    _mark(
        ": | = ->",
        r"""(?<![\d.,:])\d{1,3}["')\]]{0,2}\s{0,3}(?:[:|=]|-+>)\s{0,3}["'(\[]?\d{1,3}(?![\d.:%])
            .{0,60}?(?<![\d.,:])\d{1,3}["')\]]{0,2}\s{0,3}(?:[:|=]|-+>)\s{0,3}["'(\[]?\d{1,3}(?!\d)
            |(?:^|\n|\\n)[ \t|]{0,8}\d{1,3}[ \t]{0,8}(?:[:|=]|->)""",
    ),
)
# Tried on texts that are not ASCII alone.
_BEYOND_LATIN = (
    # Russian, Ukrainian; Chinese, Japanese; Korean; Arabic; Hindi; Hebrew; Thai; Greek.
    _mark(
        "игнорир ігнор забудь ответь",
        r"(?:игнорир|ігнор|забудь).{0,50}(?:инструк|інструк|указан|правил|предыдущ|попередн)"
        r"|ответь.{0,40}(?:только|строк|категор)",
    ),
    _mark(
        "忽略 无视 無視 忘记 忘記 忘れ 不要理",
        r"(?:忽略|无视|無視|忘记|忘記|忘れ|不要理).{0,30}(?:指令|指示|规则|規則|之前|上面|以上|提示|命令|ルール)"
        r"|(?:指令|指示|规则|規則|之前|以上|命令|ルール|以前).{0,30}(?:忽略|无视|無視|忘记|忘記|忘れ)",
    ),
    _mark("무시 잊어", r"(?:지시|명령|규칙|이전|위의).{0,30}(?:무시|잊어)|(?:무시|잊어).{0,30}(?:지시|명령|규칙)"),
    _mark("تجاهل انس", r"(?:تجاهل|انس).{0,40}(?:تعليمات|أوامر|السابقة|قواعد)"),
    _mark("अनदेखा भूल", r"(?:निर्देश|नियम|पिछले).{0,40}(?:अनदेखा|भूल)|(?:अनदेखा|भूल).{0,40}(?:निर्देश|नियम|पिछले)"),
    _mark("התעלם", r"התעלם.{0,40}(?:הוראות|כלל|קודמ)"),
    _mark("ละเว้น เพิกเฉย", r"(?:ละเว้น|เพิกเฉย).{0,40}(?:คำสั่ง|กฎ)"),
    _mark("αγνόησ αγνοησ", r"αγν[οό]ησ.{0,40}(?:οδηγ|κανόν|προηγ)"),  # noqa: RUF001
)


def trips(text: str) -> bool:
    """Whether ``text`` seems to address the model, pretend to be an answer or fake the prompt's own marks."""
    if "&" in text:
        text = html.unescape(text)
    if text.isascii():
        plain = text.lower()
        words = plain.encode("ascii").translate(_BETWEEN_WORDS).decode("ascii").split()
    else:
        if _HIDDEN.search(text) is not None:
            return True
        plain = _JOINERS.sub("", unicodedata.normalize("NFKC", text)).lower()
        words = _NO_WORD.split(plain)
        if _OTHER_ALPHABETS.search(plain) is not None and (
            _TWO_ALPHABETS.search(plain) is not None or _holds(plain, _BEYOND_LATIN)
        ):
            return True
    if _orders(plain, words):
        return True
    if (_ANY_MARK.search(plain) is not None or "---" in plain) and _holds(plain, _MARKS):
        return True
    if len(words) * 3 > len(plain) > 10 and _reads(_LONE_LETTERS.sub("", plain)):
        return True
    if "_" in plain and _reads(plain.replace("_", " ")):
        return True
    if _DIGIT_IN_WORD.search(plain) is not None and _reads(plain.translate(_AS_LETTERS)):
        return True
    return not text.isascii() and _OTHER_ALPHABETS.search(plain) is not None and _reads(plain.translate(_AS_LATIN))


def _reads(disguised: str) -> bool:
    """Whether there is an order once letters stand where a reader sees them: l e t t e r s apart, d1git5, alphabets."""
    return _orders(disguised, _NO_WORD.split(disguised))


def _orders(plain: str, words: Iterable[str]) -> bool:
    there = set(map(_stem_of, words))
    return any(
        rule.pattern.search(plain) is not None
        for stem in _ALL_STEMS & there
        for rule in _RULES_OF_STEM[stem]
        if not rule.others or not rule.others.isdisjoint(there)
    )


def _holds(plain: str, marks: Iterable[_Mark]) -> bool:
    for mark in marks:
        for part in mark.parts:
            if part in plain:
                if mark.pattern.search(plain) is not None:
                    return True
                break
    return False
