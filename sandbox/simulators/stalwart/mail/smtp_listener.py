"""Listen for SMTP (RFC 5321) on loopback, as far as receiving mail and signing in (AUTH PLAIN) need it."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from aiohttp import web

from sandbox.simulators.stalwart.callers import Callers
from sandbox.simulators.stalwart.mail.mail_flow import MailFlow

_PATH = re.compile(r"<([^<>\s]*)>")
_READ_SECONDS = 60.0
_GONE = "421 4.7.0 Account was removed."


class SmtpListener:
    """A server on its own port. An authenticated session continues until its account is destroyed."""

    def __init__(self, host: str, port: int, parts: Callable[[], tuple[MailFlow, Callers]]) -> None:
        """`parts`: returns the current mail flow and callers, which a reset of the simulator replaces."""
        self._host, self._port = host, port
        self._parts = parts
        self.address = ""

    async def run(self, _: web.Application) -> AsyncIterator[None]:
        """Serve while the HTTP application runs."""
        server = await asyncio.start_server(self._serve, self._host, self._port)
        self.address = f"{self._host}:{server.sockets[0].getsockname()[1]}"
        yield
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = _Session(reader, self._parts)
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.write(b"220 mail.platform.test Stalwart ESMTP at your service\r\n")
            while not session.is_over:
                line = await asyncio.wait_for(reader.readline(), _READ_SECONDS)
                if not line:
                    break
                response = await session.response(line.decode("utf-8", "replace").rstrip("\r\n"), writer)
                writer.write(response.encode() + b"\r\n")
                await writer.drain()
        writer.close()


class _Session:
    def __init__(self, reader: asyncio.StreamReader, parts: Callable[[], tuple[MailFlow, Callers]]) -> None:
        self._reader = reader
        self._parts = parts
        self.is_over = False
        self._account: str | None = None
        self._sender: str | None = None
        self._recipients: list[str] = []

    async def response(self, line: str, writer: asyncio.StreamWriter) -> str:
        verb, _, rest = line.partition(" ")
        if self._account is not None and self._account not in self._parts()[0].registry.objects["Account"]:
            self.is_over = True
            return _GONE
        if verb.upper() == "DATA":
            return await self._data(writer)
        if verb.upper() == "RCPT":
            return await self._rcpt(rest)
        commands: dict[str, Callable[[str], str]] = {
            "EHLO": lambda _: "250-mail.platform.test\r\n250-AUTH PLAIN\r\n250 ENHANCEDSTATUSCODES",
            "HELO": lambda _: "250 mail.platform.test",
            "NOOP": lambda _: "250 2.0.0 OK",
            "AUTH": self._auth,
            "MAIL": self._mail,
            "RSET": self._rset,
            "QUIT": self._quit,
        }
        command = commands.get(verb.upper())
        return command(rest) if command else "500 5.5.1 Invalid command."

    def _auth(self, rest: str) -> str:
        mechanism, _, text = rest.partition(" ")
        if mechanism.upper() != "PLAIN":
            return "504 5.5.4 Mechanism is not supported."
        try:
            _, name, password = base64.b64decode(text).decode().split("\0")
        except ValueError:
            return "501 5.5.2 Invalid credentials."
        account = self._parts()[1].password_opens(name, password)
        if account is None:
            return "535 5.7.8 Authentication credentials invalid."
        self._account = account["id"]
        return "235 2.7.0 Authentication succeeded."

    def _mail(self, rest: str) -> str:
        found = _PATH.search(rest)
        if found is None:
            return "501 5.5.4 Syntax error."
        self._rset("")
        self._sender = found[1]
        return "250 2.1.0 OK"

    async def _rcpt(self, rest: str) -> str:
        found = _PATH.search(rest)
        if self._sender is None:
            return "503 5.5.1 MAIL is required first."
        if found is None:
            return "501 5.5.4 Syntax error."
        flow = self._parts()[0]
        reply = flow.recipient(found[1], is_authenticated=self._account is not None)
        if reply.is_accepted:
            self._recipients.append(found[1])
        else:
            flow.refused.append(found[1])
            await asyncio.sleep(flow.wait_on_fail)
        return f"{reply.code} {reply.text}"

    async def _data(self, writer: asyncio.StreamWriter) -> str:
        if not self._recipients:
            return "503 5.5.1 RCPT is required first."
        writer.write(b"354 Start mail input; end with <CRLF>.<CRLF>\r\n")
        text = await asyncio.wait_for(self._reader.readuntil(b"\r\n.\r\n"), _READ_SECONDS)
        for address in self._recipients:
            self._parts()[0].deliver(self._sender or "", address, len(text))
        self._rset("")
        return "250 2.0.0 Message queued."

    def _rset(self, _: str) -> str:
        self._sender, self._recipients = None, []
        return "250 2.0.0 OK"

    def _quit(self, _: str) -> str:
        self.is_over = True
        return "221 2.0.0 Bye."
