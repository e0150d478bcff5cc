"""A loopback HTTPS proxy that hands a client's calls to a local stand-in.

A program told to use it (`http_proxy`, and `NODE_EXTRA_CA_CERTS=ca.pem`) believes that it speaks
TLS to Tencent Cloud. The proxy ends the TLS, and passes the decrypted bytes to a local HTTP server
as they are: the Host header too, since a TC3 signature covers it. Calls to other hosts get 502
and are recorded, so that a test can prove that there are none.
"""

import contextlib
import datetime
import fnmatch
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CONNECT_SECONDS = 10


class Authority:
    """A throw-away certificate authority; its files stay in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        self.path = folder / "ca.pem"
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        self.path.write_bytes(self._sign("Loopback test CA", self._key, constraints))

    def context(self, host: str) -> ssl.SSLContext:
        """Return a server context whose certificate names `host`."""
        with self._lock:
            if host not in self._contexts:
                key = ec.generate_private_key(ec.SECP256R1())
                names = x509.SubjectAlternativeName([x509.DNSName(host)])
                private = key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
                path = self._folder / f"{host}.pem"  # ssl reads keys from files only.
                path.write_bytes(private + self._sign(host, key, names))
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(path)
                self._contexts[host] = context
            return self._contexts[host]

    def _sign(
        self, subject: str, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        # The standard allows 64 characters. Clients check the alternative name, not this one.
        issuer, name = (
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])
            for text in ("Loopback test CA", subject)
        )
        certificate = (
            x509.CertificateBuilder(
                issuer_name=issuer,
                subject_name=name,
                public_key=key.public_key(),
                serial_number=x509.random_serial_number(),
                not_valid_before=now - datetime.timedelta(hours=1),
                not_valid_after=now + datetime.timedelta(days=1),
            )
            .add_extension(extension, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)


class _Handler(socketserver.StreamRequestHandler):
    """One client connection: CONNECT, then TLS around whatever the client sends."""

    server: "TlsProxy"
    rbufsize = 0  # A buffer could swallow the start of the TLS handshake.

    def handle(self) -> None:
        # An OSError: the client left, or does not trust the authority, and reports that itself.
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            method, _, rest = self.rfile.readline(65536).decode("latin-1").partition(" ")
            target = rest.split(" ")[0]
            while self.rfile.readline(65536).strip():
                pass  # The proxy needs no header.
            plain = method != "CONNECT"  # Such as `GET http://host/ HTTP/1.1`.
            host = urlsplit(target if plain else f"//{target}").hostname or target
            address = None if plain else self.server.find_upstream(host)
            if address is None:
                self.server.refused.append(host)
                self.wfile.write(
                    b"HTTP/1.1 502 Not a local host\r\nContent-Length: 0\r\n"
                    b"Connection: close\r\n\r\n"
                )
                return
            upstream = stack.enter_context(
                socket.create_connection(address, timeout=CONNECT_SECONDS)
            )
            upstream.settimeout(None)
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            client = stack.enter_context(self.server.wrap(self.request, host))
            client.do_handshake()
            _relay(client, upstream)


def _relay(client: ssl.SSLSocket, upstream: socket.socket) -> None:
    """Copy bytes both ways until one side ends; one thread, as an SSLSocket needs."""
    others: dict[socket.socket, socket.socket] = {client: upstream, upstream: client}
    while True:
        # select() does not see what the TLS layer has read and holds already.
        ready = [client] if client.pending() else select.select(list(others), [], [])[0]
        for source in ready:
            data = source.recv(65536)
            if not data:
                return
            others[source].sendall(data)


class TlsProxy(socketserver.ThreadingTCPServer):
    """The running proxy: `with TlsProxy(folder, {"*.example.com": "http://127.0.0.1:80"})`.

    `refused` holds the hosts that were asked for and have no local server, in order.
    """

    daemon_threads = False  # server_close() waits for the threads: none outlives the proxy.

    def __init__(self, folder: Path, upstreams: Mapping[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.refused: list[str] = []
        self._upstreams = dict(upstreams)
        self._authority = Authority(folder)
        self.certificate_path = self._authority.path
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        with self._lock:
            for connection in self._open:  # Each thread then reads the end, and ends.
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def find_upstream(self, host: str) -> tuple[str, int] | None:
        """Return the address of the local server for `host`, if there is one."""
        for pattern, address in self._upstreams.items():
            if fnmatch.fnmatchcase(host, pattern):
                parts = urlsplit(address)
                return parts.hostname or "127.0.0.1", parts.port or 80
        return None

    def process_request(self, request: Any, client_address: Any) -> None:
        """Record the connection before its thread starts, so that closing never misses it."""
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def wrap(self, request: socket.socket, host: str) -> ssl.SSLSocket:
        """Put TLS around a connection; the wrapper takes its place among the open ones."""
        with self._lock:
            self._open.discard(request)
            client = self._authority.context(host).wrap_socket(
                request, server_side=True, do_handshake_on_connect=False
            )
            self._open.add(client)
            return client
