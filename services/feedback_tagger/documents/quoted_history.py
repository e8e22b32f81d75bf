"""Cutting what an e-mail quotes: the answer is to be sorted by what was written now, not by what it answers.

No standard says how replies quote. These are the ways of the large mail programs, in the languages they are sold in; a
message that has nothing but a quotation keeps it, as a forwarded complaint is still a complaint.
"""

import re

# "On Monday Ada wrote:", in one line or broken over two; the colon ends it.
_ATTRIBUTION = re.compile(
    r"^(?:On|Am|Le|El|Il|Op|Em|Den|Dnia|W dniu)\b[^\n]{0,200}(?:\n[^\n]{0,200})?"
    r"\b(?:wrote|schrieb|a écrit|escribió|ha scritto|schreef|escreveu|skrev|napisał\(?a?\)?)\b[^\n]{0,80}:\s*$",
    re.MULTILINE,
)
_SEPARATOR = re.compile(
    r"^[ \t]*(?:_{10,}|-{2,}[ \t]*(?:(?:Original|Forwarded)\s+Message|Ursprüngliche Nachricht|Weitergeleitete Nachricht"
    r"|Message d'origine|Mensaje original|Messaggio originale|Oorspronkelijk bericht)[ \t]*-{2,})[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
# A block of header lines as Outlook writes it above what it quotes.
_HEADER_BLOCK = re.compile(
    r"^\*?(?:From|Von|De|Da|Van)\*?:[^\n]*\n(?:[^\n]*\n){0,2}?\*?(?:Sent|Date|Gesendet|Datum|Envoyé|Enviado|Inviato|Verzonden)"
    r"\*?:[^\n]*$",
    re.MULTILINE,
)
_SIGNATURE = re.compile(r"^-- $", re.MULTILINE)
_SENT_FROM = re.compile(
    r"^(?:Sent from my|Von meinem|Envoyé de mon|Enviado desde mi|Get Outlook for)\b[^\n]{0,80}$", re.MULTILINE
)
_BLANK_LINES = re.compile(r"\n{3,}")


def newest_text(text: str) -> str:
    """What stands above the quotation, without quoted lines and signature; all of it if nothing else remains."""
    cut = len(text)
    for mark in (_ATTRIBUTION, _HEADER_BLOCK, _SEPARATOR):
        found = mark.search(text)
        if found is not None and text[: found.start()].strip():
            cut = min(cut, found.start())
    kept = "\n".join(line for line in text[:cut].split("\n") if not line.lstrip().startswith(">"))
    signature = _SIGNATURE.search(kept)
    if signature is not None:
        kept = kept[: signature.start()]
    kept = _BLANK_LINES.sub("\n\n", _SENT_FROM.sub("", kept)).strip()
    return kept or _BLANK_LINES.sub("\n\n", text).strip()
