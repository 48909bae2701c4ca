"""Ask a mail server over SMTP whether it accepts mail for an address. No message is sent."""

from __future__ import annotations

import smtplib
from dataclasses import dataclass

from shared.core.http import tls_context
from worker.http.deadline import remaining

#: the name that we give; servers refuse one without a dot
OUR_NAME = "mail-check.invalid"
STEP_SECONDS = 5.0
ACCEPTED = 250
#: "mailbox unavailable", which also is how relaying is refused
REFUSED = 550
PORTS = {"smtp": 25, "smtps": 465}


@dataclass(frozen=True)
class SmtpProbe:
    """Asks one mail server."""

    host: str
    port: int
    is_tls: bool
    ca_file: str | None = None

    def answer(self, address: str) -> int | None:
        """Return the code that RCPT is answered with, or None when the server could not be asked."""
        try:
            with self._connected() as session:
                session.ehlo_or_helo_if_needed()
                session.mail("")
                code, _ = session.rcpt(address)
                return code
        except (smtplib.SMTPException, OSError):
            return None

    def _connected(self) -> smtplib.SMTP:
        seconds = max(0.1, remaining(STEP_SECONDS))
        if self.is_tls:
            context = tls_context(self.ca_file)
            return smtplib.SMTP_SSL(self.host, self.port, local_hostname=OUR_NAME, timeout=seconds, context=context)
        return smtplib.SMTP(self.host, self.port, local_hostname=OUR_NAME, timeout=seconds)
