"""The TLS that connections to a database use: the certificate's chain and its name are both checked."""

import ssl

from services.feedback_tagger.store.address import Address
from shared.errors import BadInput


def tls_context(address: Address, ca_file: str) -> ssl.SSLContext | None:
    """None where the server is on this machine. ``ca_file`` is a PEM file; empty: what the system trusts.

    RDS signs with authorities of its own, which no system trusts: its bundle is truststore.pki.rds.amazonaws.com's
    global-bundle.pem. Raises BadInput if the file cannot be used.
    """
    if not address.tls:
        return None
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise BadInput(
            field="DATABASE_CA_FILE",
            problem=f"cannot be used: {error}",
            remedy="name a PEM file with the authorities that sign the server's certificate",
        ) from error
