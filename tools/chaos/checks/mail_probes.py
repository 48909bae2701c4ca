"""Observe from outside what happens to mail, and who can sign in to a mail account."""

from __future__ import annotations

import smtplib
from collections.abc import Collection
from typing import Any, Protocol

SECONDS = 15
#: a message larger than the notice that a sender gets when it is returned
MESSAGE = b"Subject: test\r\n\r\n" + b"This message is long enough to differ from a notice.\r\n" * 40


class MailServer(Protocol):
    """The simulated products, of which Stalwart is used."""

    @property
    def smtp(self) -> tuple[str, int]: ...

    def state(self, product: str) -> dict[str, Any]: ...


def fates_of_mail(server: MailServer, addresses: Collection[str]) -> dict[str, str]:
    """Send a message to each address: `delivered`, `refused`, or `returned` when the mailbox has not grown."""
    before = _mailbox_sizes(server)
    with smtplib.SMTP(*server.smtp, timeout=SECONDS) as smtp:
        smtp.ehlo()
        accepted = {address: _accepts(smtp, address) for address in addresses}
    after = _mailbox_sizes(server)
    return {address: _fate(accepted[address], address, before, after) for address in addresses}


def sign_ins(server: MailServer, addresses: Collection[str], password: str) -> dict[str, bool]:
    """Return for each address whether its account can sign in."""
    return {address: _signs_in(server, address, password) for address in addresses}


def _fate(is_accepted: bool, address: str, before: dict[str, int], after: dict[str, int]) -> str:
    if not is_accepted:
        return "refused"
    return "delivered" if after.get(address, 0) >= before.get(address, 0) + len(MESSAGE) else "returned"


def _accepts(smtp: smtplib.SMTP, address: str) -> bool:
    smtp.mail("sender@elsewhere.test")
    code, _ = smtp.rcpt(address)
    if code != 250:
        smtp.rset()
        return False
    code, _ = smtp.data(MESSAGE)
    return code == 250


def _mailbox_sizes(server: MailServer) -> dict[str, int]:
    accounts: list[dict[str, Any]] = server.state("stalwart").get("Account", [])
    return {one["emailAddress"]: one["usedDiskQuota"] for one in accounts}


def _signs_in(server: MailServer, address: str, password: str) -> bool:
    with smtplib.SMTP(*server.smtp, timeout=SECONDS) as smtp:
        try:
            smtp.login(address, password)
        except smtplib.SMTPAuthenticationError:
            return False
        return True
