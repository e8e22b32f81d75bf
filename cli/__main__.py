"""The entry point of `deskhand`: says at once that it has begun, as loading the rest takes a moment."""

import sys

LONG_RUNNING = ("demo", "up")


def main() -> None:
    try:
        if sys.argv[1:2] and sys.argv[1] in LONG_RUNNING and "--help" not in sys.argv:
            print(f"deskhand {sys.argv[1]}: loading", flush=True)
        from cli.app import app  # noqa: PLC0415

        app(prog_name="deskhand")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
