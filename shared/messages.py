"""Strict reading of the messages that users send: JSON against a JSON Schema, errors that name field and remedy.

Only public doors use this. Messages between our own loops ignore fields they do not know, because old and new tasks
run side by side during a deploy.
"""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError, best_match

from shared.errors import BadInput


class MessageSchema:
    """One kind of public message; reads its JSON Schema once."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        Draft202012Validator.check_schema(schema)
        self.schema = schema
        self._validator = Draft202012Validator(schema, format_checker=FormatChecker())

    @classmethod
    def from_package(cls, package: str, file: str) -> "MessageSchema":
        """Load ``file`` that lies beside the modules of ``package``."""
        return cls(json.loads(files(package).joinpath(file).read_text(encoding="utf-8")))

    def read(self, body: str) -> dict[str, Any]:
        """The message as a mapping.

        Raises BadInput naming the field at fault and what to send instead; the text of the message is not repeated.
        """
        try:
            message = json.loads(body, object_pairs_hook=_unique, parse_constant=_refuse_constant)
            # A lone surrogate, written as an escape, is a string that no store takes.
            json.dumps(message, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise BadInput(
                field=_field_of_half_a_character(message), problem="is not Unicode text", remedy="send whole characters"
            ) from None
        except (ValueError, RecursionError) as error:
            raise BadInput(field="body", problem=f"is not JSON ({error})", remedy="send one JSON object") from None
        worst = best_match(self._validator.iter_errors(message))
        if worst is not None:
            raise _as_bad_input(worst)
        return dict(message)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Readers differ on which of two fields of one name counts; what was checked must be what is meant."""
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a field is there twice")
    return dict(pairs)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _field_of_half_a_character(message: Any) -> str:
    """The top-level field whose value cannot be encoded; the body itself if it is no object or a name is at fault."""
    for name, value in message.items() if isinstance(message, dict) else ():
        if _is_text(name) and not _is_text(value):
            return str(name)
    return "body"


def _is_text(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _as_bad_input(error: ValidationError) -> BadInput:
    path = ".".join(str(step) for step in error.absolute_path)
    rule: Any = error.validator_value
    schema: Any = error.schema
    sent: Any = error.instance
    match error.validator:
        case "required":
            missing = [name for name in rule if name not in sent]
            field = ".".join(filter(None, (path, missing[0])))
            wanted = schema.get("properties", {}).get(missing[0], {})
            return BadInput(field=field, problem="is missing", remedy=_remedy(wanted))
        case "additionalProperties":
            known = schema.get("properties", {})
            unknown = sorted(set(sent) - set(known))
            return BadInput(
                field=".".join(filter(None, (path, unknown[0]))),
                problem="is not a field of this message",
                remedy=f"leave it out; the fields are {', '.join(known)}",
            )
        case "type" if not path:
            return BadInput(field="body", problem="is not a JSON object", remedy="send one JSON object")
        case _:
            return BadInput(field=path or "body", problem=_problem(str(error.validator), rule), remedy=_remedy(schema))


def _problem(rule: str, wanted: Any) -> str:
    match rule:
        case "type":
            return f"is not of type {wanted}"
        case "maxLength":
            return f"is longer than {wanted} characters"
        case "minLength":
            return f"is shorter than {wanted} characters"
        case "enum":
            return f"is none of {', '.join(map(str, wanted))}"
        case "const":
            return f"is not {wanted!r}"
        case _:
            return f"breaks the rule {rule} {wanted!r}"


def _remedy(schema: Mapping[str, Any]) -> str:
    description = schema.get("description")
    return f"send {description[0].lower()}{description[1:].rstrip('.')}" if description else "see docs/messages.md"
