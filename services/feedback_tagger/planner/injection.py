"""Which texts speak to the model instead of about a product: they are asked alone, to mislead about themselves only.

A net with holes, and no guard: what reaches a label column is settled by how answers are read. A false alarm costs one
more prompt, so the patterns are broad.
"""

import re
import unicodedata

# Letters of the tag block and blanks of no width: text that a model reads and a person does not see.
_HIDDEN = re.compile("[\U000e0000-\U000e007f\u200b\u2060\ufeff]")

_TO_THE_MODEL = re.compile(
    r"""
      \b(?:ignore|disregard|forget|override|bypass|skip)\b.{0,40}
      \b(?:instruction|prompt|rule|above|previous|prior|system|everything)
    | \b(?:ignorier|vergiss|missachte)\w*\b.{0,40}\b(?:anweisung|regel|vorherig|bisherig|oben)
    | \b(?:ignora|olvida|oublie|ignorez)\w*\b.{0,40}\b(?:instruc|regla|règle|anterior|précédent)
    | \b(?:system|developer)\s*(?:prompt|message|instruction|override)
    | \byou\s+(?:are|must|will|should)\s+(?:now\b|answer|reply|respond|output|classify|label|tag|act)
    | \b(?:answer|reply|respond|output|print|return|write)\b.{0,30}
      \b(?:only|with|for|all|every|each)\b.{0,30}(?:\brow|\bline|\blabel|\bcategor|\d+\s*:\s*\d+)
    | \b(?:classify|label|tag|categori[sz]e|mark)\b.{0,30}
      \b(?:all|every|each|this|these|row|rows|as)\b.{0,30}(?:\brow|\bcategor|\bunknown|\d)
    | \b(?:classify|label|tag|categori[sz]e|mark|rate)\b.{0,20}\b(?:this|these|it|me|row|review|feedback)\b.{0,20}\bas\b
    | \b(?:all|every|other|previous|following)\s+(?:rows?|lines?|reviews?|entries)\b
    | \brow\s*\#?\s*\d+
    | \b(?:jailbreak|prompt\s+injection|as\s+an\s+ai|language\s+model|assistant\s*:|system\s*:|user\s*:|human\s*:)
    | </?\s*(?:rows|categories|system|instructions?|ticket|prompt|assistant|user|human)\b
    | (?:^|[\s;,|])\d{1,3}\s*[:|]\s*\d{1,3}(?=$|[\s;,|.])(?:.*?(?:^|[\s;,|])\d{1,3}\s*[:|]\s*\d{1,3})
    | (?:^|\n)[ \t]{0,8}\d{1,3}[ \t]{0,8}[:|]
    | \#{3,}|\[/?inst\]|<\|
    """,
    # Lower case is the text's to be: matching without case costs several times as much.
    re.VERBOSE | re.DOTALL,
)


def trips(text: str) -> bool:
    """Whether ``text`` seems to address the model, pretend to be an answer or fake the prompt's own marks."""
    if _HIDDEN.search(text) is not None:
        return True
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return _TO_THE_MODEL.search(plain.lower()) is not None
