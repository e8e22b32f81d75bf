"""The message with one e-mail, sent alone to the feedback-items queue."""

from shared.messages import MessageSchema

EMAIL_ITEM = MessageSchema.from_package(__package__, "email_item.schema.json")
