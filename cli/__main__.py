"""The entry point of `deskhand`: long commands say at once that they have begun, before anything else is loaded."""

import sys
from contextlib import AbstractContextManager, nullcontext

from cli.loading import loading

LONG_RUNNING = ("demo", "up")


def main() -> None:
    try:
        with _sign_of_life(sys.argv[1:]):
            from cli.app import app  # noqa: PLC0415

            app(prog_name="deskhand")
    except KeyboardInterrupt:
        sys.exit(130)


def _sign_of_life(arguments: list[str]) -> AbstractContextManager[None]:
    long = bool(arguments) and arguments[0] in LONG_RUNNING and "--help" not in arguments
    return loading(arguments[0]) if long else nullcontext()


if __name__ == "__main__":
    main()
