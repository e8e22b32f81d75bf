"""This process's AWS variables, changed for a while: the SDK reads them by itself."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def process_environment(environment: Mapping[str, str]) -> Iterator[None]:
    """While inside, the AWS variables are those of ``environment`` and no others."""
    before = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    wanted = {name: value for name, value in environment.items() if name.startswith("AWS_")}
    _replace(before, wanted)
    try:
        yield
    finally:
        _replace(wanted, before)


def _replace(old: Mapping[str, str], new: Mapping[str, str]) -> None:
    for name in old:
        os.environ.pop(name, None)
    os.environ.update(new)
