"""Send mail for the contract tests of Stalwart and find out if it is delivered, returned or refused."""

from __future__ import annotations

import os
import smtplib
import ssl
from dataclasses import dataclass

import pytest

from tests.contracts.jmap_calls import Jmap

#: a name with a dot: the server refuses others
OUR_NAME = "contract.platform.test"
OUTSIDE = "somebody@outside.test"


@dataclass(frozen=True)
class Mail:
    """`smtp`: host:port that receives mail. `submission`: host:port where accounts sign in, with TLS on port 465."""

    smtp: str
    submission: str | None

    def connected(self) -> smtplib.SMTP:
        host, _, port = self.smtp.rpartition(":")
        return smtplib.SMTP(host, int(port), local_hostname=OUR_NAME, timeout=30)

    def signed_in(self, address: str, password: str) -> smtplib.SMTP:
        if self.submission is None:
            pytest.skip("STALWART_TEST_SUBMISSION is not set")
        host, _, port = self.submission.rpartition(":")
        session = (
            smtplib.SMTP_SSL(host, int(port), local_hostname=OUR_NAME, timeout=30, context=_trust())
            if port == "465"
            else smtplib.SMTP(host, int(port), local_hostname=OUR_NAME, timeout=30)
        )
        session.login(address, password, initial_response_ok=True)
        return session

    def rcpt(self, address: str, sender: str = OUTSIDE) -> tuple[int, str]:
        """Answer of RCPT for one address, in a session of its own."""
        with self.connected() as session:
            session.ehlo()
            session.mail(sender)
            code, text = session.rcpt(address)
            return code, text.decode()

    def send(self, address: str, sender: str = OUTSIDE) -> None:
        """Send a message that the server must accept."""
        with self.connected() as session:
            session.sendmail(
                sender, [address], f"From: {sender}\r\nTo: {address}\r\nSubject: contract\r\n\r\nHello\r\n"
            )


def used(jmap: Jmap, account: str) -> int:
    """Bytes in an account: more than before when mail was delivered."""
    found: int = jmap.get("Account", account, "usedDiskQuota")["usedDiskQuota"]
    return found


def _trust() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=os.environ.get("EXTRA_CA_CERTS"))
