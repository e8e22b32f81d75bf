#!/bin/sh
# Finds a Python that can build the environments and lets it do so: sh local/setup.sh [PYTHON]
set -eu
cd "$(dirname "$0")/.."

# Run from where the project's own modules cannot be mistaken for the standard library's.
works() { "$1" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
can_build() { "$1" -I -c 'import ensurepip, venv' 2>/dev/null; }

# Where all is up to date, its own Python is the quickest to say so.
.venv/bin/python -I local/environments.py --check 2>/dev/null && exit 0

without_venv=
[ -n "${1:-}" ] || set -- python3.13 python3.12 python3.11 python3 python3.14
for python in "$@"; do
    command -v "$python" >/dev/null 2>&1 && works "$python" || continue
    if can_build "$python"; then
        exec "$python" -I local/environments.py
    fi
    without_venv=${without_venv:-$python}
done

if [ -n "$without_venv" ]; then
    version=$("$without_venv" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "Python $version is here ($(command -v "$without_venv")), but not the part that makes environments (ensurepip)." >&2
    echo "Debian and Ubuntu have it in a package of its own:  apt-get install python$version-venv" >&2
else
    found=$(python3 --version 2>/dev/null || echo "no python3")
    echo "Python 3.11 or newer is needed; found: $found." >&2
    echo "Install it (Debian 12, Ubuntu 24.04: apt-get install python3 python3-venv; macOS: brew install python@3.13)" >&2
    echo "or say where it is:  make PYTHON=/path/to/python3.11 TARGET" >&2
fi
exit 1
