"""A cloud in miniature: an HTTP server on a port of its own, which hands each request to whoever inherits from it."""

import http.server
import threading
from dataclasses import dataclass, field


@dataclass
class Reply:
    body: bytes
    kind: str = "application/json"
    status: int = 200
    headers: dict = field(default_factory=dict)


class StandIn:
    """Listens at `root` while the `with` lasts."""

    def reply(self, method, path, headers, body):
        """The `Reply` to a request; it comes with its whole body."""
        raise NotImplementedError

    def __enter__(self):
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                reply = stand_in.reply(self.command, self.path, self.headers, body)
                self.send_response(reply.status)
                length = {"content-length": str(len(reply.body))}
                if reply.kind == "text/event-stream":
                    length = {"transfer-encoding": "chunked"}
                    reply.body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(reply.body), reply.body)
                for name, value in {"content-type": reply.kind, **length, **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
