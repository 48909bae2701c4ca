"""Ask a mail server over SMTP whether it accepts mail for an address. No message is sent."""

from __future__ import annotations

import smtplib
from dataclasses import dataclass

from shared.core.http import tls_context
from shared.integrations.outcomes import TemporaryError
from worker.http.deadline import remaining

#: the name that we give; servers refuse one without a dot
OUR_NAME = "mail-check.invalid"
#: how long each reply may take: Stalwart waits before it refuses a recipient (`waitOnFail` of x:MtaStageRcpt, 5 s)
REPLY_SECONDS = 15.0
ACCEPTED = "250"
#: the reply to a recipient that the rule rewrites; other refusals, such as an unknown mailbox, do not prove the rule
REFUSED = "550 5.1.2 Relay not allowed"
PORTS = {"smtp": 25, "smtps": 465}


class NotProvenError(TemporaryError):
    """Mail is not proven to be refused; the server at STALWART_SMTP_URL may be down, which concerns no other change."""

    def __init__(self, detail: str) -> None:
        super().__init__("not_ready", detail)


@dataclass(frozen=True)
class SmtpProbe:
    """Asks one mail server."""

    host: str
    port: int
    is_tls: bool
    ca_file: str | None = None

    def answer(self, address: str) -> str | None:
        """Return code and text that RCPT is answered with, or None when the server could not be asked."""
        try:
            with self._connect() as session:
                session.ehlo_or_helo_if_needed()
                session.mail("")
                code, text = session.rcpt(address)
                return f"{code} {text.decode(errors='replace')}"
        except (smtplib.SMTPException, OSError):
            return None

    def _connect(self) -> smtplib.SMTP:
        seconds = max(0.1, remaining(REPLY_SECONDS))
        if self.is_tls:
            context = tls_context(self.ca_file)
            return smtplib.SMTP_SSL(self.host, self.port, local_hostname=OUR_NAME, timeout=seconds, context=context)
        return smtplib.SMTP(self.host, self.port, local_hostname=OUR_NAME, timeout=seconds)
