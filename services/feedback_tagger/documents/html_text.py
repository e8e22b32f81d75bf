"""The text that a person would see of an HTML page or message; scripts, styles and hidden parts left out.

libxml2 reads whatever it is given, keeps what it can and fetches nothing. It stops below 256 levels of nesting, which
no page needs, so a deeper text is lost rather than a stack.
"""

import re

from lxml import etree, html

EVENTS_PER_CHARACTER = 50
# What these hold is not written for the reader.
_SILENT = frozenset({"script", "style", "head", "template", "noscript", "svg", "math", "iframe", "object", "select"})
_BREAKS = frozenset(
    "address article aside blockquote br center dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6 header "  # noqa: SIM905
    "hr li main nav ol p pre section table tr ul".split()
)
_UNSEEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])|opacity\s*:\s*0(?![.\d])")
_BLANKS = re.compile(r"[^\S\n]+")
_LINES = re.compile(r" ?\n[ \n]*")


def text_of_html(source: str) -> str:
    """Visible text, one line a block, blanks folded."""
    page = parsed(source)
    return "" if page is None else text_of_tree(page)


def text_of_tree(page: html.HtmlElement, *, about: int | None = None) -> str:
    """What ``text_of_html`` gives, of a page that is parsed already; with ``about``, not many more characters of it."""
    texts: list[str] = []
    characters = 0
    silent = None  # the element whose inside does not count
    for events, (event, element) in enumerate(etree.iterwalk(page, events=("start", "end", "comment", "pi"))):
        if about is not None and events > EVENTS_PER_CHARACTER * about:
            break  # A million empty elements say nothing and take their time.
        if event in ("comment", "pi"):
            told = element.tail
        elif event == "start":
            told = None
            if silent is None and (element.tag in _SILENT or _is_hidden(element)):
                silent = element
            elif silent is None:
                told = element.text
            _break(texts, element)
        else:
            if silent is element:
                silent = None
            told = element.tail
            _break(texts, element)
        if told and silent is None:
            # A line break in the source is a blank on the page.
            texts.append(told.replace("\n", " "))
            characters += len(told)
            if about is not None and characters > 2 * about:
                break  # Twice, for the blanks that are folded.
    return _LINES.sub("\n", _BLANKS.sub(" ", "".join(texts))).strip()


def parsed(source: str) -> html.HtmlElement | None:
    """The tree of a page; None where there is nothing to make one of."""
    # Characters that no document may hold make libxml2 stop reading.
    readable = source.replace("\x00", " ")
    parser = html.HTMLParser(encoding="utf-8", no_network=True, remove_blank_text=False, huge_tree=False)
    try:
        return html.document_fromstring(readable.encode("utf-8", errors="replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return None


def _break(texts: list[str], element: html.HtmlElement) -> None:
    if element.tag in _BREAKS:
        texts.append("\n")


def _is_hidden(element: html.HtmlElement) -> bool:
    if element.get("hidden") is not None or element.get("aria-hidden") == "true":
        return True
    style = element.get("style")
    return style is not None and _UNSEEN.search(style.lower()) is not None
