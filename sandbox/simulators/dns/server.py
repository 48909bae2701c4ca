"""The DNS simulator: a zone over UDP and TCP, with typical faults of name servers."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from aiohttp import web

from sandbox.simulators.dns.zone import DEFAULT_TTL, Zone, data_of
from sandbox.simulators.faults import Fault
from sandbox.simulators.server import Simulator

#: size limit of a datagram without EDNS (RFC 1035 section 4.2.1)
PLAIN_PAYLOAD = 512
TCP_LIMIT = 65535
#: data of wrong answers by type; the fault's `body` replaces it
WRONG_VALUES = {"TXT": "wrong", "MX": "10 wrong.invalid.", "CNAME": "wrong.invalid.", "SRV": "0 0 1 wrong.invalid."}

#: seconds before a faulty answer, if the fault names none
DELAYS = {"latency": 0.2}

Send = Callable[[bytes], None]


class DnsSimulator(Simulator):
    """Own faults, per question: `method` is UDP or TCP, `path` is searched in `<name> <TYPE>`.

    `servfail`, `refused`; `timeout` (no answer); `truncated` (over UDP: only the flag, so that callers use TCP);
    `wrong_answer` (another value, or `body`); `wrong_id` (an answer to another question); `garbage`.
    """

    product = "dns"
    own_faults = frozenset({"servfail", "refused", "timeout", "truncated", "wrong_answer", "wrong_id", "garbage"})

    def __init__(self, *, dns_port: int = 0) -> None:
        super().__init__()
        self._dns_port = dns_port
        self.zone = Zone()
        #: `address:port` of DNS, after it listens
        self.address = ""
        self.app.cleanup_ctx.append(self._listen)

    def reset(self) -> None:
        self.zone.records.clear()

    def current_state(self) -> dict[str, Any]:
        return {"address": self.address, "records": self.zone.shown()}

    def controls(self) -> dict[str, Callable[..., Any]]:
        return {"publish": self.publish, "withdraw": self.zone.withdraw}

    def publish(self, records: Sequence[dict[str, Any]], replace: bool = False) -> None:
        """Add records `{name, type, value, ttl?}`; with `replace`, in place of those of the same name and type."""
        try:
            if replace:
                for record in records:
                    self.zone.withdraw(record["name"], record["type"])
            for record in records:
                self.zone.publish(record["name"], record["type"], record["value"], record.get("ttl", DEFAULT_TTL))
        except dns.exception.DNSException as problem:
            raise ValueError(f"not a record: {problem}") from None

    # -- listening

    async def _listen(self, app: web.Application) -> Any:
        tcp, udp = await self._open_both()
        self.address = f"127.0.0.1:{tcp.sockets[0].getsockname()[1]}"
        yield
        udp.close()
        tcp.close()
        await tcp.wait_closed()

    async def _open_both(self) -> tuple[asyncio.Server, asyncio.DatagramTransport]:
        """Listen on TCP and UDP with the same port. A free TCP port may be in use in UDP, so several are tried."""
        loop = asyncio.get_running_loop()
        for attempt in range(20):
            tcp = await asyncio.start_server(self._serve_stream, "127.0.0.1", self._dns_port)
            address = tcp.sockets[0].getsockname()
            try:
                udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self._answer_datagram), address)
            except OSError:
                tcp.close()
                if self._dns_port or attempt == 19:
                    raise
            else:
                return tcp, udp
        raise OSError("no port is free for both UDP and TCP")

    async def _answer_datagram(self, wire: bytes, send: Send) -> None:
        answer = await self._answered("UDP", wire)
        if answer is not None:
            send(answer)

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                answer = await self._answered("TCP", await reader.readexactly(length))
                if answer is not None:
                    writer.write(struct.pack("!H", len(answer)) + answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    # -- answering

    async def _answered(self, protocol: str, wire: bytes) -> bytes | None:
        try:
            query = dns.message.from_wire(wire)
            question = query.question[0]
        except (dns.exception.DNSException, IndexError):
            return None
        asked = f"{question.name.to_text(omit_final_dot=True)} {dns.rdatatype.to_text(question.rdtype)}"
        entry: dict[str, Any] = {"at": time.time(), "method": protocol, "path": asked, "status": None}
        self.journal.append(entry)
        fault = self.faults.inject(self._kinds(protocol), protocol, asked)
        if fault is not None:
            entry["fault"] = fault.kind
            await asyncio.sleep(fault.delay or DELAYS.get(fault.kind, 0.0))
        if fault is not None and fault.kind == "timeout":
            return None
        if fault is not None and fault.kind == "garbage":
            return b"\x00" * 5
        response = self._response(query, fault)
        entry["status"] = dns.rcode.to_text(response.rcode())
        return _pack(query, response, protocol)

    def _kinds(self, protocol: str) -> frozenset[str]:
        over_tcp = self.own_faults - {"truncated"}
        return (self.own_faults if protocol == "UDP" else over_tcp) | {"latency"}

    def _response(self, query: dns.message.Message, fault: Fault | None) -> dns.message.Message:
        response = self.zone.answer(query)
        change = _CHANGES.get(fault.kind) if fault is not None else None
        if fault is not None and change is not None:
            change(response, fault)
        return response


def _pack(query: dns.message.Message, response: dns.message.Message, protocol: str) -> bytes:
    allowed = max(query.payload, PLAIN_PAYLOAD) if query.edns >= 0 else PLAIN_PAYLOAD
    return response.to_wire(max_size=TCP_LIMIT if protocol == "TCP" else allowed, prefer_truncation=True)


def _fail(response: dns.message.Message, fault: Fault) -> None:
    response.answer.clear()
    response.set_rcode(dns.rcode.SERVFAIL if fault.kind == "servfail" else dns.rcode.REFUSED)


def _truncate(response: dns.message.Message, fault: Fault) -> None:
    response.answer.clear()
    response.set_rcode(dns.rcode.NOERROR)
    response.flags |= dns.flags.TC


def _lie(response: dns.message.Message, fault: Fault) -> None:
    question = response.question[0]
    kind = dns.rdatatype.to_text(question.rdtype)
    lie = dns.rrset.RRset(question.name, question.rdclass, question.rdtype)
    lie.add(data_of(kind, fault.body or WRONG_VALUES.get(kind, "wrong")), DEFAULT_TTL)
    response.answer[:] = [lie]
    response.set_rcode(dns.rcode.NOERROR)


def _readdress(response: dns.message.Message, fault: Fault) -> None:
    response.id ^= 0xFFFF


_CHANGES: dict[str, Callable[[dns.message.Message, Fault], None]] = {
    "servfail": _fail,
    "refused": _fail,
    "truncated": _truncate,
    "wrong_answer": _lie,
    "wrong_id": _readdress,
}


class _Datagrams(asyncio.DatagramProtocol):
    """Pass each datagram to `answer`, together with a function that replies to its sender."""

    def __init__(self, answer: Callable[[bytes, Send], Coroutine[Any, Any, None]]) -> None:
        self._answer = answer
        self._running: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        # requests delayed by a fault get no answer
        for task in self._running:
            task.cancel()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        def send(answer: bytes) -> None:
            self._transport.sendto(answer, addr)  # type: ignore[attr-defined]

        task = asyncio.get_running_loop().create_task(self._answer(data, send))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
