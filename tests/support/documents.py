"""E-mails and product pages, harmless and hostile, that show only what matters to a test."""

import json
from collections.abc import Mapping
from email.message import EmailMessage

JSON_LD = "application/ld+json"


def an_email(
    text: str = "I was charged twice on my credit card. Please refund one of the payments.",
    *,
    subject: str = "Charged twice",
    sender: str = "Customer <customer@shop.example>",
    message_id: str = "<1@shop.example>",
    html: str | None = None,
    attachments: Mapping[str, bytes] | None = None,
) -> bytes:
    message = EmailMessage()
    message["From"] = sender
    message["Subject"] = subject
    message["Date"] = "Mon, 25 Mar 2024 14:30:00 +0100"
    if message_id:
        message["Message-ID"] = message_id
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    for name, content in (attachments or {}).items():
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return bytes(message)


def a_mailbox(*messages: bytes) -> bytes:
    """As mail programs write them: lines that begin like a new message are marked."""
    marked = [message.replace(b"\r\n", b"\n").replace(b"\nFrom ", b"\n>From ") for message in messages]
    return b"".join(b"From a@shop.example Mon Mar 25 14:30:00 2024\n" + message + b"\n\n" for message in marked)


def a_page(
    *,
    heading: str = "Wren Speaker Mini",
    body: str = "<p>A small speaker for the kitchen.</p>",
    price: str | None = "49.90",
    url: str = "https://shop.example/wren-speaker-mini",
    head: str = "",
) -> str:
    """A page whose JSON-LD has all that is required, unless ``price`` is None: then it has no marks at all."""
    marks = ""
    if price is not None:
        offer = {"price": price, "priceCurrency": "EUR", "availability": "https://schema.org/InStock"}
        product = {"@context": "https://schema.org", "@type": "Product", "name": heading, "offers": offer}
        marks = f'<script type="{JSON_LD}">{json.dumps(product)}</script>'
    link = f'<link rel="canonical" href="{url}">' if url else ""
    return f"<!doctype html><html><head>{link}{head}{marks}</head><body><h1>{heading}</h1>{body}</body></html>"


def json_lines(*objects: Mapping[str, object] | str) -> bytes:
    return "".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in objects).encode()
