"""HTTP/1.1 on a bare socket: no library in between that would mend, decode or complete anything."""

import asyncio
import dataclasses

PATIENCE = 60


@dataclasses.dataclass
class Answer:
    status: int
    headers: list
    body: bytes = b""
    is_complete: bool = False

    def header(self, name):
        return next((value for key, value in self.headers if key == name), None)


class Connection:
    """One kept-alive connection; opened when it is needed."""

    def __init__(self, host, port):
        self.address = (host, port)
        self.reader = self.writer = None

    async def ask(self, path, headers, body, method="POST"):
        """The whole answer, or as much of it as there was."""
        is_reused = self.writer is not None
        try:
            answer = await self.begin(path, headers, body, method)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            # A server may close a connection that is idle, just when the next request is on its way.
            if not is_reused or getattr(error, "partial", b""):
                raise
            self.close()
            answer = await self.begin(path, headers, body, method)
        async with asyncio.timeout(PATIENCE):
            await self._read_body(answer)
        if not answer.is_complete or answer.header("connection") == "close":
            self.close()
        return answer

    async def begin(self, path, headers, body, method="POST"):
        """The head of the answer; its body is left on the connection."""
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(*self.address)
        lines = [f"{method} {path} HTTP/1.1", f"host: {self.address[0]}", *(f"{k}: {v}" for k, v in headers)]
        if body:
            lines.append(f"content-length: {len(body)}")
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readuntil(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").strip().split("\r\n")
        pairs = [line.split(":", 1) for line in rest]
        return Answer(int(first.split()[1]), [(key.lower(), value.strip()) for key, value in pairs])

    async def _read_body(self, answer):
        parts = []
        try:
            if answer.header("transfer-encoding") == "chunked":
                while size := int(await self.reader.readuntil(b"\r\n"), 16):
                    parts.append((await self.reader.readexactly(size + 2))[:-2])
                await self.reader.readexactly(2)
                answer.is_complete = True
            elif (length := answer.header("content-length")) is not None:
                parts.append(await self.reader.readexactly(int(length)))
                answer.is_complete = True
            else:
                parts.append(await self.reader.read())
                answer.is_complete = True
        except asyncio.IncompleteReadError as error:
            parts.append(error.partial)
        except ConnectionError:
            pass
        answer.body = b"".join(parts)

    def close(self):
        if self.writer is not None:
            self.writer.transport.abort()
        self.reader = self.writer = None


async def in_parallel(connections, host, port, jobs):
    """Runs `job(connection)` for each job, so many at a time as there are connections; the results in the jobs' order."""
    waiting = list(enumerate(jobs))[::-1]
    results = [None] * len(waiting)

    async def work():
        connection = Connection(host, port)
        while waiting:
            number, job = waiting.pop()
            try:
                results[number] = await job(connection)
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                results[number] = error
                connection.close()
        connection.close()

    await asyncio.gather(*(work() for _ in range(connections)))
    return results
