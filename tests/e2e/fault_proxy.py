"""An HTTP proxy between the program and a store's real server that misbehaves as told, and counts.

The program's endpoint is the proxy; what it signed is forwarded untouched. `faults` is a list of (Fault, probability);
for each request at most one is drawn. Modes of services are faults too: b2() and r2().
"""

import http.client
import http.server
import random
import re
import socket
import struct
import threading
import time
import urllib.parse

HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body
        self.query = urllib.parse.urlsplit(target).query
        path = urllib.parse.urlsplit(target).path
        # Of S3, Azure, Google Cloud Storage, B2 and WebDAV.
        self.is_list = ((method == "GET" and ("list-type=2" in self.query or "comp=list" in self.query or
                                              re.fullmatch("/storage/v1/b/[^/]*/o", path) is not None)) or
                        path.endswith("/b2_list_file_names") or (method == "PROPFIND" and headers.get("Depth") == "1"))
        self.kind = "LIST" if self.is_list else method


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.stated_length = len(body)
        self.cut = None  # bytes after which the connection is reset


def error(status, code, **headers):
    body = f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
    return Answer(status, [(k.replace("_", "-"), str(v)) for k, v in headers.items()], body)


class Gone(Exception):
    """The connection is reset without an answer."""


# A fault takes the request and `forward` (request → Answer) and answers itself.

def delay(seconds):
    def fault(request, forward):
        time.sleep(seconds)
        return forward(request)
    return fault


def reset_before(request, forward):
    raise Gone


def reset_after(request, forward):
    """The server has done it, the answer is lost."""
    forward(request)
    raise Gone


def truncate(request, forward):
    answer = forward(request)
    answer.cut = len(answer.body) // 2
    return answer


def wrong_length(request, forward):
    """A shorter body with a Content-Length that agrees with it: correct HTTP, wrong bytes."""
    answer = forward(request)
    if request.method == "GET" and answer.status < 300:
        answer.body = answer.body[:len(answer.body) // 2]
        answer.stated_length = len(answer.body)
    return answer


def wrong_bytes(request, forward):
    answer = forward(request)
    if request.method == "GET" and answer.status < 300 and answer.body:
        at = len(answer.body) // 2
        answer.body = answer.body[:at] + bytes([answer.body[at] ^ 0x20]) + answer.body[at + 1:]
    return answer


def refuse(status, code, **headers):
    return lambda request, forward: error(status, code, **headers)


def cut_list(request, forward):
    """A listing that ends in the middle of the document."""
    answer = forward(request)
    if request.is_list:
        answer.body = answer.body[:len(answer.body) * 2 // 3]
        answer.stated_length = len(answer.body)
    return answer


class StaleLists:
    """Listings answer as they did up to `seconds` ago."""

    def __init__(self, seconds):
        self.seconds, self.known, self.lock = seconds, {}, threading.Lock()

    def __call__(self, request, forward):
        if not request.is_list:
            return forward(request)
        what = (request.target, request.body)
        with self.lock:
            when, answer = self.known.get(what, (0, None))
        if answer is None or time.monotonic() - when > self.seconds:
            answer = forward(request)
            with self.lock:
                self.known[what] = (time.monotonic(), answer)
        return answer


def has_checksum_headers(request):
    names = {name.lower() for name in request.headers}
    return any(n.startswith(("x-amz-checksum", "x-amz-sdk-checksum", "x-amz-trailer")) for n in names)


def b2(seed):
    """B2's S3: uploads are refused now and then without a word when to come back; no checksum headers."""
    rng, lock = random.Random(seed), threading.Lock()

    def fault(request, forward):
        if has_checksum_headers(request):
            return error(400, "InvalidArgument")
        with lock:
            busy = request.method == "PUT" and rng.random() < 0.25
        return error(503, "ServiceUnavailable") if busy else forward(request)
    return fault


def r2():
    """R2: one write a second to a key; no versions, no object lock, no storage classes but two; no trailers."""
    written, lock = {}, threading.Lock()

    def fault(request, forward):
        names = {name.lower() for name in request.headers}
        if has_checksum_headers(request) or "x-amz-object-lock-mode" in names:
            return error(501, "NotImplemented")
        if "versions" in request.query or "versioning" in request.query or "retention" in request.query:
            return error(501, "NotImplemented")
        if request.method == "PUT":
            with lock:
                last = written.get(request.target, 0)
                written[request.target] = time.monotonic()
            if time.monotonic() - last < 0.98:
                return error(429, "TooManyRequests")
        return forward(request)
    return fault


class FaultProxy:
    """Listens on `port` of loopback until stop(). `counts` has requests by kind, `log` their lines, `spans` (start, end, line)."""

    def __init__(self, upstream_port, seed=0):
        self.upstream_port, self.rng, self.lock = upstream_port, random.Random(seed), threading.Lock()
        self.faults, self.counts, self.log, self.spans, self.injected = [], {}, [], [], 0
        self.in_flight = self.in_flight_max = 0
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = 1 << 16

            def serve(self):
                proxy.serve(self)

            do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = serve
            do_PROPFIND = do_MKCOL = do_MOVE = do_OPTIONS = serve

            def handle(self):
                try:
                    super().handle()
                except ConnectionError:  # the client went away
                    pass

            def finish(self):
                try:
                    super().finish()
                except ConnectionError:
                    pass

            def log_message(self, *_):
                pass

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads, request_queue_size = True, 256

        self.server = Listener(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def clear(self):
        with self.lock:
            self.counts, self.log, self.spans, self.injected, self.in_flight_max = {}, [], [], 0, 0

    def count(self, kind):
        return self.counts.get(kind, 0)

    def chain(self):
        """The most requests of which each began after the one before had ended: the round trips that take the time."""
        chain, last_end = [], 0
        for start, end, line in sorted(self.spans, key=lambda span: span[1]):
            if start >= last_end:
                chain.append(line)
                last_end = end
        return chain

    def most_at_once(self, chosen):
        """The most requests whose lines fit `chosen` that were under way at one time."""
        spans = [(start, end) for start, end, line in self.spans if chosen(line)]
        return max((sum(start <= moment < end for start, end in spans) for moment, _ in spans), default=0)

    def draw(self):
        with self.lock:
            for fault, probability in self.faults:
                if self.rng.random() < probability:
                    self.injected += 1
                    return fault
        return lambda request, forward: forward(request)

    def serve(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        request = Request(handler.command, handler.path, dict(handler.headers.items()), body)
        started = time.monotonic()
        with self.lock:
            self.counts[request.kind] = self.counts.get(request.kind, 0) + 1
            self.log.append(f"{request.kind} {request.target}")
            self.in_flight += 1
            self.in_flight_max = max(self.in_flight_max, self.in_flight)
        try:
            self.reply(handler, request, self.draw()(request, self.forward))
        except (Gone, ConnectionError):
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.close_connection = True
        finally:
            with self.lock:
                self.in_flight -= 1
                self.spans.append((started, time.monotonic(), f"{request.kind} {request.target}"))

    upstream = threading.local()

    def forward(self, request):
        for again in (True, False):
            connection = getattr(self.upstream, "connection", None)
            if connection is None:
                connection = self.upstream.connection = http.client.HTTPConnection("127.0.0.1", self.upstream_port)
            try:
                connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
                for name, value in request.headers.items():
                    connection.putheader(name, value)
                connection.endheaders(request.body or None)
                response = connection.getresponse()
                answer = Answer(response.status, [(k, v) for k, v in response.getheaders() if k.lower() not in HOP],
                                response.read())
                if request.method == "HEAD":
                    answer.stated_length = int(response.headers.get("Content-Length") or 0)
                return answer
            except (http.client.HTTPException, ConnectionError):
                self.upstream.connection = None
                if not again:
                    raise Gone from None

    @staticmethod
    def reply(handler, request, answer):
        handler.send_response_only(answer.status)
        for name, value in answer.headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(answer.stated_length))
        handler.end_headers()
        if request.method != "HEAD":
            handler.wfile.write(answer.body if answer.cut is None else answer.body[:answer.cut])
        handler.wfile.flush()
        if answer.cut is not None:
            raise Gone
