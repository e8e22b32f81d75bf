"""The health command: asks the task in the same container how it is, and tells by its exit status.

It runs every few seconds beside the service, on as little as a quarter of a processor: it imports nothing but what it
needs to ask, for importing the service would cost more than the service itself does when idle.
"""

import http.client
import sys

TIMEOUT_SECONDS = 4


def ask(port: str) -> int:
    """0 if the task that serves its health on ``port`` is well, 1 if it is not, or does not answer."""
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
        sys.stderr.write("HEALTH_PORT does not say which port to ask\n")
        return 1
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        sys.stdout.write(answer.read().decode(errors="replace") + "\n")
        return 0 if answer.status == http.client.OK else 1
    except (OSError, http.client.HTTPException) as error:
        sys.stderr.write(f"no answer: {error}\n")
        return 1
    finally:
        connection.close()
