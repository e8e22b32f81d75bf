"""The message with one product page, sent alone to the feedback-items queue."""

from shared.messages import MessageSchema

PAGE_ITEM = MessageSchema.from_package(__package__, "page_item.schema.json")
