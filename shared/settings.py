"""Settings are read once, from a mapping, and report every problem at once.

A service declares a frozen class of fields; the environment name of a field is its name in capitals. Secrets are
``Secret`` and print as ``<secret>``.
"""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError


class Secret(SecretStr):
    """A value that never prints: ``str``, ``repr`` and logs show ``<secret>``; ``get_secret_value()`` gives it."""

    def _display(self) -> str:
        return "<secret>"


class BadSettings(Exception):
    """What is wrong with the environment, one line a problem."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("the environment cannot be used:\n" + "\n".join(f"  {line}" for line in problems))
        self.problems = problems


class Settings(BaseModel):
    """The base of a service's settings; give every field a type and a description."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read every field from ``environment``; an empty value counts as absent.

        Raises BadSettings with all problems, each naming its variable.
        """
        given = {
            name: environment[name.upper()] for name in cls.model_fields if environment.get(name.upper(), "") != ""
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise BadSettings([_as_line(cls, problem) for problem in error.errors(include_url=False)]) from None

    @classmethod
    def environment_names(cls) -> list[str]:
        """Every variable that may be set, in declaration order; deployment tests compare it with task definitions."""
        return [name.upper() for name in cls.model_fields]


def _as_line(settings: type[Settings], problem: Mapping[str, object]) -> str:
    location = problem.get("loc")
    name = str(location[0]) if isinstance(location, tuple) and location else "?"
    field = settings.model_fields.get(name)
    purpose = f" ({field.description})" if field is not None and field.description else ""
    return f"{name.upper()}: {problem['msg']}{purpose}"
