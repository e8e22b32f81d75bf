"""What support people write about, by theme: the tagger's small knowledge of the world.

A category gets a theme's words only if its own name or description, which it reads in the request, contains one of the
theme's cues. Static vectors know little German, so frequent words of support German are put into English first.
"""

import re
from dataclasses import dataclass
from functools import lru_cache


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
            "app, apps, application, software, program, crash, freez, bug, buggy, update, login, log in, logs me "
            "out, sign in, password, screen goes, interface, install, loading, load, menu, button, notification, "
            "error, version, glitch, website, page, hang, unresponsive, slow, settings, dark mode, widget, "
            "spinner, logged out, log out, browser, android, ios, popup, pop-up, tap, swipe, scroll, click, "
            "feature, filter, search, reminder, calendar, sign up, refresh, reload, beta, release, patch, export, "
            "import, font, tab, reinstall, closes, white screen, landing page, form, language, translation, "
            "offline mode, layout"
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
            "backup, backups, back up, backed up, backing up, cloud, sync, restor, storage, upload, my files, my "
            "photos, my documents, snapshot, gigabyte, gb, recover, lost files, archive, drive, tb, terabyte, "
            "synchron, folder, files, version history, retention, encrypt, vault, uploading, photos, documents"
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
            "paypal, checkout, money, subscription, price, fee, fees, voucher, coupon, discount, bank, "
            "transaction, double charge, overcharg, iban, vat, receipt, renew, cancelled my order, declined, "
            "cost, euro, euros, eur, dollar, usd, pounds, gbp, trial, wallet, apple pay, google pay, instalment, "
            "installment, deposit, chargeback, statement, tax, promo, gift card, reimburs, debited, auto-renew"
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
            "postman, box was, carrier, mailbox, lost in transit, dispatch, neighbour, neighbor, doorstep, late "
            "order, wrong address, warehouse, customs, still waiting for my order, packaging, driver, van, "
            "letterbox, fence, porch, doorbell, signature, depot, dhl, ups, fedex, hermes, dpd, gls, usps, royal "
            "mail, in transit, envelope, bubble wrap, cardboard, box, pick up, collection point, locker, ordered, "
            "delay, out for delivery, next day, safe place, missing item, wrong item"
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
            "hardware, device, battery, broken, broke, screen, display, hinge, keyboard, charger, charging, "
            "cable, overheat, hot, fan, speaker, microphone, camera, usb, port, power button, turn on, turns on, "
            "noise, buzzing, rattl, scratch, crack, dead, died, pixel, sensor, adapter, hdmi, defect, smoke, "
            "burn, motor, loose, headphone, earbud, touchpad, lens, plug, screw, switch, knob, strap, wheel, "
            "leak, wobbl, bent, snapped, casing, led, flicker, vibrat, antenna, printer, bulb, fuse, spark, "
            "smell, melt, stopped working, charge, drain, volt, jack, remote, trackpad, mouse, stylus, lid, rust, "
            "dent, stuck, keys"
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

# A line: what it says in English, then German words that say so. Words of five letters and more also stand for every
# longer word that begins with them, as German builds and bends its words at the end.
_GERMAN = """
app: app apps
application: anwendung programm
software: software
update: update aktualisierung
crash: absturz abstürz abgestürzt stürzt stuerzt
login: anmeld einlogg einwähl login
password: passwort kennwort
error: fehler fehlercode
error message: fehlermeldung
freezes: hängt einfriert eingefroren
slow: langsam träge
load: lädt ladezeit
button: schaltfläche knopf taste
menu: menü
page: webseite website startseite
settings: einstellung
reacts: reagiert
install: installier installation
start: startet starten
search: suche suchfunktion
notification: benachrichtigung mitteilung
account: benutzerkonto nutzerkonto kundenkonto
cloud: cloud wolke
cloud storage: cloudspeicher
backup: backup sicherung datensicherung sicherungskopie
backed up: gesichert
back up: sichern
sync: sync synchronisier abgleich
restore: wiederherstell wiederhergestellt
storage: speicher speicherplatz
file: datei
photos: foto fotos bilder aufnahmen
documents: dokument unterlagen
data: daten
data loss: datenverlust
upload: hochlad hochgeladen
deleted: gelöscht
lost: verloren verschwunden weg
pay: zahlen zahlt bezahl gezahlt
payment: zahlung bezahlung überweisung überwies zahlungsart
debit payment: lastschrift einzug eingezogen
charged: abgebucht abbuch belastet berechnet
refund: erstattung erstatte rückerstattung rückzahlung zurückbuch gutschrift
invoice: rechnung
money: geld euro betrag
credit card: kreditkarte
card: karte
price: preis kosten
fee: gebühr
voucher: gutschein rabatt rabattcode
subscription: abo abos abonnement
cancelled: gekündigt kündigung storniert storno
double: doppelt zweimal
bank account: bankkonto girokonto konto
reminder to pay: mahnung
package: paket pakete karton päckchen
parcel: päckchen paeckchen
shipment: sendung
shipment tracking: sendungsverfolgung sendungsnummer paketverfolgung
tracking: verfolgung
delivery: lieferung zustellung anlieferung lieferzeit liefertermin
delivered: geliefert zugestellt abgegeben ausgeliefert
deliver: liefern liefert
shipping: versand versandkosten
shipped: versendet verschickt versandt abgeschickt
courier: bote zusteller lieferdienst paketbote fahrer kurier paketdienst
post office: post postfiliale packstation
arrived: angekommen ankam ankommt eingetroffen
order: bestellung
ordered: bestellt
neighbour: nachbar
late: verspätet verspätung spät
waiting: warte gewartet
packaging: verpackung verpackt
damaged in transit: zerdrückt eingedrückt durchnässt aufgerissen
rang the bell: geklingelt
on its way: unterwegs
address: adresse
device: gerät geraet
broken: kaputt defekt zerbrochen gebrochen abgebrochen bricht
hardware defect: wackelkontakt kurzschluss
screen: bildschirm display
battery: akku batterie
charger: ladegerät netzteil
charging cable: ladekabel
charging: aufladen aufgeladen auflädt laden
keyboard: tastatur
mouse: maus
speaker: lautsprecher
microphone: mikrofon mikro
camera: kamera
hinge: scharnier
fan: lüfter
cable: kabel
plug: stecker buchse
hot: heiß heiss
overheats: überhitz
burnt: verbrannt verschmort qualm rauch
noise: geräusch klappert brummt knistert rauscht pfeift
loud: laut
scratched: zerkratzt kratzer
crack: riss gerissen gesprungen
turn on: einschalten anschalten angeht
turns off: ausschalt schaltet
great: super toll tolle tolles klasse prima spitze hervorragend bestens
love: liebe
happy: zufrieden begeistert freut glücklich
recommend: empfehle empfehlen weiterempfehl
good: gut gute gutes guter gerne
nice: schön hübsch
thank you: danke dankeschön
gift: geschenk
bought: gekauft
works: funktioniert läuft
quality: qualität
customer: kunde kundin
support: kundendienst kundenservice
after: nach
since: seit
again: wieder erneut
always: immer ständig dauernd
never: nie niemals
not: nicht
no: kein keine keinen
nothing: nichts
very: sehr
my: mein meine meinen meiner
and: und
but: aber
is: ist
was: war wurde
were: wurden
the: der die das dem den
a: ein eine einen
with: mit
for: für
days: tage tagen
weeks: wochen
hours: stunde stunden
night: nacht
new: neu neue neuen
wrong: falsch falsche falschen
on: auf
i: ich
it: es
"""
GERMAN = {
    word: english
    for line in _GERMAN.strip().splitlines()
    for english, _, words in [line.partition(":")]
    for word in words.split()
}
_WORD = re.compile(r"[A-Za-zÀ-ÿ']+")
# The longest beginnings first, so that "kreditkarten" is read by "kreditkarte" and not by a shorter one.
_BEGINNINGS = sorted((word for word in GERMAN if len(word) >= 5), key=len, reverse=True)


def in_english(text: str) -> str:
    """The text with every known German word replaced; English text stays as it is."""
    return _WORD.sub(lambda match: _english_word(match[0]), text.lower())


@lru_cache(maxsize=20_000)
def _english_word(word: str) -> str:
    if word in GERMAN:
        return GERMAN[word]
    return next((GERMAN[beginning] for beginning in _BEGINNINGS if word.startswith(beginning)), word)


def themes_of(category: str) -> list[Theme]:
    """The themes whose cues the category's text contains."""
    return [theme for theme in THEMES if count_of(theme.cues, in_english(category))]


def count_of(words: tuple[str, ...], text: str) -> int:
    """How many different ``words`` the text contains, each at the start of a word; short ones only as whole words."""
    return len(set(_pattern(words).findall(text))) if words else 0


@lru_cache(maxsize=256)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    # Longest first: "back up" must not be hidden by "back".
    parts = (re.escape(word) + (r"\b" if len(word) <= 4 else "") for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"\b(?:{'|'.join(parts)})")
