"""What support people write about, by theme: the tagger's small knowledge of the world.

A category gets a theme's words only if its own name or description, which it reads in the request, contains one of the
theme's cues. Static vectors know little German, so frequent words of support German are put into English first.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Theme:
    """``cues`` tie a category to the theme; ``words`` (beginnings of words, or phrases) speak for it in a row."""

    cues: tuple[str, ...]
    words: tuple[str, ...]
    phrases: tuple[str, ...]


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


THEMES = (
    Theme(
        cues=_split("application, app, software, program"),
        words=_split(
            "app, apps, application, software, program, crash, freez, bug, buggy, update, login, log in, logs me out, "
            "sign in, password, screen goes, interface, install, loading, load, menu, button, notification, error, "
            "version, glitch, website, page, hang, unresponsive, slow, settings, dark mode, widget, spinner"
        ),
        phrases=(
            "the app crashes when I open it",
            "cannot log in after the update",
            "software bug, error message, the screen freezes",
            "the application is slow and the buttons do not respond",
        ),
    ),
    Theme(
        cues=_split("backup, cloud, sync, storage"),
        words=_split(
            "backup, backups, back up, backed up, backing up, cloud, sync, restor, storage, upload, my files, "
            "my photos, my documents, snapshot, gigabyte, gb, recover, lost files, archive, drive"
        ),
        phrases=(
            "the cloud backup fails and my files are not synced",
            "photos were not backed up, cannot restore them",
            "storage is full, the upload never finishes",
        ),
    ),
    Theme(
        cues=_split("payment, billing, invoice, charge, refund"),
        words=_split(
            "pay, paid, paying, payment, charg, refund, invoice, bill, billed, billing, credit card, debit, card, "
            "paypal, checkout, money, subscription, price, fee, fees, voucher, coupon, discount, bank, transaction, "
            "double charge, overcharg, iban, vat, receipt, renew, cancelled my order"
        ),
        phrases=(
            "I was charged twice on my credit card",
            "waiting for my refund, the invoice is wrong",
            "the payment was declined at checkout",
        ),
    ),
    Theme(
        cues=_split("shipment, shipping, delivery, package, parcel, logistics"),
        words=_split(
            "ship, shipped, shipping, shipment, deliver, package, parcel, courier, tracking, arriv, post office, "
            "postman, box was, carrier, mailbox, lost in transit, dispatch, neighbour, neighbor, doorstep, late order, "
            "wrong address, warehouse, customs, still waiting for my order, packaging"
        ),
        phrases=(
            "the package was delivered late and damaged",
            "my parcel never arrived, tracking does not move",
            "the courier left the box at the wrong address",
        ),
    ),
    Theme(
        cues=_split("hardware, device, defect, equipment"),
        words=_split(
            "hardware, device, battery, broken, broke, screen, display, hinge, keyboard, charger, charging, cable, "
            "overheat, hot, fan, speaker, microphone, camera, usb, port, power button, turn on, turns on, noise, "
            "buzzing, rattl, scratch, crack, dead, died, pixel, sensor, adapter, hdmi, defect, smoke, burn, motor, "
            "loose, headphone, earbud, touchpad, lens, plug"
        ),
        phrases=(
            "the device stopped working, the battery died",
            "broken screen, it will not turn on any more",
            "hardware defect: the fan rattles, overheating",
        ),
    ),
    Theme(
        cues=_split("praise, positive, compliment, satisfaction"),
        words=_split("great, love, excellent, perfect, thank, happy, recommend, amazing, awesome"),
        phrases=("great product, I love it", "thank you, excellent service"),
    ),
    Theme(
        cues=_split("account, registration, profile"),
        words=_split("account, register, registration, profile, username, password, verification, two factor, locked"),
        phrases=("my account is locked", "cannot change my profile or e-mail address"),
    ),
    Theme(
        cues=_split("service, support, staff, agent"),
        words=_split("support, hotline, agent, staff, rude, call, answer, ticket, chat, waiting line, employee, phone"),
        phrases=("customer support never answered", "the hotline kept me waiting and was rude"),
    ),
)

# What no complaint is about. A row nearer to these than to every category is unknown.
NOTHING_IN_PARTICULAR = (
    "great product, I love it, works perfectly, highly recommend",
    "very happy with it, five stars, thank you",
    "okay, nothing special, as expected",
    "bought this as a gift for my son's birthday",
    "the colour is nice and the design is beautiful",
    "hello, test, no comment",
    "the weather is nice today",
    "asdf qwerty lorem ipsum",
)

GERMAN = {
    "abgebucht": "charged", "abbuchung": "charge", "absturz": "crash", "abstürz": "crash", "stürzt": "crash",
    "stuerzt": "crash", "abgestürzt": "crashed", "akku": "battery", "anmelden": "login", "anmeldung": "login",
    "einloggen": "login", "angekommen": "arrived", "ankommen": "arrive", "anwendung": "application",
    "aktualisierung": "update", "bank": "bank", "batterie": "battery", "begeistert": "happy", "beschädigt": "damaged",
    "bestellung": "order", "bestellt": "ordered", "betrag": "amount money", "bezahl": "pay", "zahl": "pay",
    "bezahlt": "paid", "zahlung": "payment", "gezahlt": "paid", "bildschirm": "screen", "bote": "courier",
    "danke": "thank you", "datei": "file", "dateien": "files", "daten": "data", "sicherung": "backup",
    "datensicherung": "backup", "gesichert": "backed up", "sichern": "back up", "defekt": "defect broken",
    "doppelt": "double twice", "einstellung": "settings", "empfehle": "recommend", "erstattung": "refund",
    "rückerstattung": "refund", "erstattet": "refunded", "fehler": "error", "fehlermeldung": "error message",
    "foto": "photo", "fotos": "photos", "bilder": "photos", "funktioniert": "works", "gebühr": "fee",
    "gekauft": "bought", "geld": "money", "geliefert": "delivered", "lieferung": "delivery", "lieferdienst": "courier",
    "liefer": "deliver", "gerät": "device", "geraet": "device", "geschenk": "gift", "gut": "good", "gutschein": "voucher",
    "hängt": "freezes", "heiß": "hot", "heiss": "hot", "hochladen": "upload", "hochgeladen": "uploaded", "kabel": "cable",
    "kamera": "camera", "kaputt": "broken", "karte": "card", "kreditkarte": "credit card", "kaputte": "broken",
    "kommt": "comes", "konto": "bank account", "kunde": "customer", "laden": "load", "ladegerät": "charger",
    "ladekabel": "charging cable", "lädt": "loads", "langsam": "slow", "lastschrift": "debit payment", "laut": "loud noise",
    "lautsprecher": "speaker", "lüfter": "fan", "mikrofon": "microphone", "nachbar": "neighbour", "nicht": "not",
    "paket": "package", "päckchen": "parcel", "passwort": "password", "post": "post office", "preis": "price",
    "rechnung": "invoice", "schaltfläche": "button", "scharnier": "hinge", "schnell": "fast", "schön": "nice",
    "sendung": "shipment", "sendungsverfolgung": "shipment tracking", "verfolgung": "tracking", "speicher": "storage",
    "speicherplatz": "storage", "startet": "starts", "super": "great", "synchronisier": "sync", "tastatur": "keyboard",
    "toll": "great", "überhitzt": "overheats", "überwiesen": "bank transfer", "überweisung": "bank transfer payment",
    "verloren": "lost", "verpackung": "packaging", "verschwunden": "disappeared", "versand": "shipping",
    "versendet": "shipped", "verschickt": "shipped", "verspätet": "late", "warte": "waiting", "wiederherstell": "restore",
    "wiederherstellung": "restore", "zerbrochen": "broken", "zerkratzt": "scratched", "zufrieden": "satisfied happy",
    "zugestellt": "delivered", "zusteller": "courier", "zustellung": "delivery", "wolke": "cloud", "knopf": "button",
    "einschalten": "turn on", "angeht": "turns on", "lässt": "lets", "seite": "page", "wurde": "was", "wurden": "were",
    "mein": "my", "meine": "my", "und": "and", "aber": "but", "nach": "after", "seit": "since", "immer": "always",
    "wieder": "again", "kein": "no", "keine": "no", "sehr": "very", "ist": "is", "das": "the", "der": "the", "die": "the",
}  # fmt: skip
_WORD = re.compile(r"[A-Za-zÀ-ÿ']+")
# The longest beginnings first, so that "kreditkarten" is read by "kreditkarte" and not by a shorter one.
_BEGINNINGS = sorted((word for word in GERMAN if len(word) >= 5), key=len, reverse=True)


def in_english(text: str) -> str:
    """The text with every known German word replaced; English text stays as it is."""
    return _WORD.sub(lambda match: _english_word(match[0]), text.lower())


def _english_word(word: str) -> str:
    if word in GERMAN:
        return GERMAN[word]
    return next((GERMAN[beginning] for beginning in _BEGINNINGS if word.startswith(beginning)), word)


def themes_of(category: str) -> list[Theme]:
    """The themes whose cues the category's text contains."""
    return [theme for theme in THEMES if count_of(theme.cues, in_english(category))]


def count_of(words: Iterable[str], text: str) -> int:
    """How many of ``words`` the text contains, each at the start of a word; short ones only as whole words."""
    return sum(1 for word in words if _pattern(word).search(text))


_PATTERNS: dict[str, re.Pattern[str]] = {}


def _pattern(word: str) -> re.Pattern[str]:
    if word not in _PATTERNS:
        end = r"\b" if len(word) <= 4 else ""
        _PATTERNS[word] = re.compile(rf"\b{re.escape(word)}{end}")
    return _PATTERNS[word]
