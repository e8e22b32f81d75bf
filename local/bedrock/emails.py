"""The stand-in for a model that routes e-mails: cue words and word vectors for the department, cue words for priority.

It sees the departments and e-mails of the prompt and nothing else. It is no language model: language is told by
frequent words of nine languages, and what is urgent by words that say so.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from local.bedrock import tagger, vocabulary

LOW, NORMAL, HIGH, URGENT = "1", "2", "3", "4"
UNDETERMINED = "und"
NOTHING = f"0:{NORMAL}:{UNDETERMINED}"
# A cue word is worth more than a vector that is near.
LEAST_CUES = 1


@dataclass(frozen=True, slots=True)
class Trade:
    """``cues`` tie a department of the prompt to ``words`` (beginnings of words, or phrases) that speak for "
    "it."""

    cues: tuple[str, ...]
    words: tuple[str, ...]


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


TRADES = (
    Trade(
        _split("billing, invoice, payment, finance, charges, refund"),
        _split(
            "bill, bills, billed, billing, invoice, charge, charged, overcharg, payment, pay my, paid, autopay, "
            "credit card, debit, refund, money back, owe, balance, past due, amount, fee, fees, statement, late "
            "fee, reimburse, give back, cents"
        ),
    ),
    Trade(
        _split("order, delivery, shipping, returns, logistics"),
        _split(
            "order, orders, ordered, deliver, ship, shipping, shipped, tracking, track, parcel, package, pick up, "
            "pickup, return, returns, returning, exchange, replace, replacement, trade in, trade-in, label, "
            "courier, arriv"
        ),
    ),
    Trade(
        _split("technical, connection, not work, installation, it support, broken"),
        _split(
            "not working, doesn't work, won't work, isn't working, stopped working, connection, connect, "
            "internet, wifi, wi-fi, modem, router, signal, outage, no service, out of service, slow, reset, "
            "reboot, error, crash, install, installation, activate, activation, set up, setup, sim, broken, "
            "troubleshoot, technician, bug, update fails"
        ),
    ),
    Trade(
        _split("account, signing in, personal data, contract, password"),
        _split(
            "account, log in, login, log on, logon, sign in, password, username, pin, locked out, address, change "
            "my, update my, cancel, cancell, terminate, transfer, port, porting, switch, add, remove, upgrade, "
            "downgrade, contract, name on, move my, disconnect, email address"
        ),
    ),
    Trade(
        _split("sales, offers, before buying, discount, plans"),
        _split(
            "buy, buying, purchase, purchasing, price of, how much, discount, promotion, promo, deal, deals, "
            "offer, offers, special, coupon, quote, interested in, plans, new customer, available plans, cheaper, "
            "sale, unlimited"
        ),
    ),
    Trade(
        _split("wants a person, appointment, treatment, customer service, complaint"),
        _split(
            "agent, representative, someone help, speak to, talk to, talk with, real person, human, call me, "
            "manager, supervisor, complain, appointment, rude, operator, chat with, a person, assist me, help me "
            "please, phone number for"
        ),
    ),
    Trade(
        _split("junk, spam, advertising, fraud"),
        _split(
            "unsubscribe, click here, free money, lottery, winner, viagra, act now, limited time, million "
            "dollars, earn, mortgage rates, weight loss, this is not spam, guaranteed, casino, mailing list, opt "
            "out"
        ),
    ),
)
_URGENT = _split(
    "urgent, immediately, asap, as soon as possible, emergency, right now, today, dangerous, burn, fire, smoke, "
    "injur, hacked, fraud, stolen, legal, lawyer, sofort, dringend, brennt, urgentemente, d'urgence"
)
_HIGH = _split(
    "not working, no service, outage, locked out, cannot, can't, cant, unable, twice, wrong, missing, lost, "
    "broken, complain, disappointed, cancel, refund, still, weeks, again, never, third time, overcharg"
)
_LOW = _split(
    "thank, thanks for, newsletter, unsubscribe, suggestion, fyi, no hurry, when you have time, just wondering"
)
# The most frequent small words of each language, without those that another one shares.
_LANGUAGES: Mapping[str, frozenset[str]] = {
    "en": frozenset("the and you is my to of for it this that with have not are was can your i".split()),  # noqa: SIM905
    "de": frozenset("der die das und ich nicht ist mit ein eine für auf bitte wir sie von habe meine".split()),  # noqa: SIM905
    "fr": frozenset("le les des et je pas est une pour vous dans que qui mon ma sur avec bonjour".split()),  # noqa: SIM905
    "es": frozenset("el los las y no es una por que mi para con del hola pero está su gracias".split()),  # noqa: SIM905
    "it": frozenset("il gli che non è una per di mi ho con sono della ciao grazie mio questo".split()),  # noqa: SIM905
    "nl": frozenset("het een en ik niet is van mijn dat voor op met zijn niet graag bedankt".split()),  # noqa: SIM905
    "pt": frozenset("o os não uma um por que meu minha com para do da obrigado está você".split()),  # noqa: SIM905
    "pl": frozenset("nie się jest na do że mój i w z proszę dzień dobry mam dla".split()),  # noqa: SIM905
    "sv": frozenset("och att det jag inte är en på som för med har min hej tack".split()),  # noqa: SIM905
}
_WORD = re.compile(r"[^\W\d_]+")


def route(departments: Mapping[int, str], rows: Mapping[int, str]) -> dict[int, str]:
    """The answer for every e-mail: department, priority, language."""
    nearest = tagger.tag(departments, rows)
    words = _words(tuple(departments.items()))
    return {number: _answer(text, words, nearest[number]) for number, text in rows.items()}


def _answer(text: str, words: Mapping[int, tuple[str, ...]], near: int) -> str:
    english = vocabulary.in_english(text)
    scores = {number: vocabulary.count_of(cues, english) for number, cues in words.items() if cues}
    best = max(scores, key=lambda number: (scores[number], number == near), default=0)
    department = best if scores.get(best, 0) >= LEAST_CUES else near
    return f"{department}:{_priority(english)}:{language_of(text)}"


def _priority(text: str) -> str:
    for priority, words in ((URGENT, _URGENT), (HIGH, _HIGH), (LOW, _LOW)):
        if vocabulary.count_of(words, text):
            return priority
    return NORMAL


def language_of(text: str) -> str:
    found = [word.lower() for word in _WORD.findall(text[:2_000])]
    counts = {code: sum(word in known for word in found) for code, known in _LANGUAGES.items()}
    best = max(counts, key=lambda code: counts[code])
    return best if counts[best] else UNDETERMINED


@lru_cache(maxsize=64)
def _words(departments: tuple[tuple[int, str], ...]) -> Mapping[int, tuple[str, ...]]:
    """The trade whose cues a department's line has most of; another department cannot have it too."""
    found: dict[int, tuple[str, ...]] = {}
    for number, line in departments:
        english = vocabulary.in_english(line)
        counts = {trade.words: vocabulary.count_of(trade.cues, english) for trade in TRADES}
        words = max(counts, key=lambda each: counts[each])
        found[number] = words if counts[words] else ()
    return found
