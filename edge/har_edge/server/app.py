"""The server: one application over a model, put together and run by uvicorn."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.security import HTTPBearer

from har_edge import __version__
from har_edge.access import is_loopback
from har_edge.config import FilePath, ServeConfig
from har_edge.errors import ConfigError, OutputError
from har_edge.paths import display_path
from har_edge.say import Say
from har_edge.server.build import build_services
from har_edge.server.connections import bounded_protocol
from har_edge.server.guard import GuardMiddleware
from har_edge.server.head_requests import HeadMiddleware
from har_edge.server.metrics import MetricsMiddleware
from har_edge.server.problems import check_query, install_problem_handlers
from har_edge.server.routes.live import live_routes
from har_edge.server.routes.meta import health_routes, model_routes
from har_edge.server.routes.page import page_routes
from har_edge.server.routes.predict import PREDICT_PATH, predict_routes
from har_edge.server.routes.recordings import recording_routes
from har_edge.server.routes.session import session_routes
from har_edge.server.routes.streams import stream_routes
from har_edge.server.routes.teaching import teaching_routes
from har_edge.server.routes.zones import zone_routes
from har_edge.server.schema import Problem
from har_edge.server.services import Services

DESCRIPTION = "Recognises what a person is doing in pictures, clips and a live camera."
# What is in hand when the server is told to stop may still be answered for so long.
DRAIN_S = 20
# What the system keeps of an answer that nobody reads; it grows to megabytes else.
UNREAD_BYTES = 64 * 1024
IN_THE_CLEAR = (
    "The token travels unencrypted: whoever can listen in this network can use it. Give --tls-cert "
    "and --tls-key, or put a proxy with TLS in front and listen on 127.0.0.1."
)


def serve(config: ServeConfig, note: Say = lambda line: None) -> None:
    """Serve until a signal comes.

    Args:
        config: Where to listen, who may ask, and what to look at.
        note: Takes lines for the user.

    Raises:
        HarError: if the model, the source or the address cannot be used.
    """
    tls = check_certificate(config.tls_cert, config.tls_key)
    services = build_services(config, note)
    listener = _listen(config)
    app = build_app(services, origins=config.allow_origins)
    shown = f"[{config.host}]" if ":" in config.host else config.host
    note(
        f"har-edge serves {' and '.join(services.workers.models)} on http{'s' if tls else ''}://{shown}:"
        f"{listener.getsockname()[1]}  (press Ctrl-C to stop)"
    )
    if is_in_the_clear(config):
        note(IN_THE_CLEAR)
    # What is there now stays to the end; collecting garbage need not look through it again.
    gc.freeze()
    with listener:
        Server(app, services, tls).run(sockets=[listener])


def build_server_app(config: ServeConfig, note: Say = lambda line: None) -> FastAPI:
    """Put the application of a server together, for whoever runs it in a server of their own.

    It starts the live source when it starts, and stops what it started when it ends; arguments
    and errors as for `serve`. What `config` says of an address is for `serve` alone.

    Example:
        >>> build_server_app(ServeConfig()).title
        'har-edge'
    """
    return build_app(build_services(config, note), origins=config.allow_origins)


def build_app(services: Services, *, origins: tuple[str, ...] = ()) -> FastAPI:
    """Build the application.

    Args:
        services: What its routes share; the application starts and stops them.
        origins: Origins of other sites whose pages may use the server.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if services.live is not None:
            services.live.start()
        try:
            yield
        finally:
            if services.teacher is not None:
                services.teacher.cancel()
            if services.live is not None:
                services.live.feed.close()
                await asyncio.to_thread(services.live.stop)
            services.workers.close()

    app = FastAPI(
        title="har-edge",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )

    bearer = [Depends(HTTPBearer(auto_error=False))] if services.guard.required else []
    guarded = [*bearer, Depends(services.guard.check)]
    known = [Depends(check_query)]
    # Routes are tried in this order.
    guarded_routes = (
        predict_routes, model_routes, live_routes, teaching_routes, zone_routes, recording_routes,
        stream_routes,
    )  # fmt: skip
    for routes in guarded_routes:
        app.include_router(routes(services), dependencies=[*guarded, *known])
    for router in (page_routes(), health_routes(services), session_routes(services)):
        app.include_router(router, dependencies=known)
    install_problem_handlers(app)
    _describe_problems(app)
    # The last one added is the first to see a request.
    app.add_middleware(HeadMiddleware)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=("GET", "POST", "PUT", "DELETE"),
            allow_headers=("Authorization", "Content-Type", "Last-Event-ID"),
            expose_headers=("Retry-After",),
        )
    app.add_middleware(MetricsMiddleware, metrics=services.metrics)
    app.add_middleware(
        GuardMiddleware, guard=services.guard, origins=origins, upload_path=PREDICT_PATH
    )
    return app


def _describe_problems(app: FastAPI) -> None:
    """Add the schema of problems, which no route names as its answer, to the document."""
    build = app.openapi

    def openapi() -> dict[str, object]:
        document = build()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.setdefault("Problem", Problem.model_json_schema())
        return document

    app.openapi = openapi  # type: ignore[method-assign]


class Server(uvicorn.Server):
    """Runs an application; streams end when it is told to stop, other requests are answered."""

    def __init__(
        self, app: FastAPI, services: Services, tls: tuple[FilePath, FilePath | None] | None
    ) -> None:
        certificate, key = tls or (None, None)
        config = uvicorn.Config(
            app,
            lifespan="on",
            http=bounded_protocol(services.limits.upload_timeout_s),
            ws="none",
            log_level="warning",
            access_log=False,
            server_header=False,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            timeout_graceful_shutdown=DRAIN_S,
            h11_max_incomplete_event_size=64 * 1024,
        )
        super().__init__(config)
        self._services = services

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let the listeners of streams go, then wait for all other requests."""
        if self._services.live is not None:
            self._services.live.feed.close()
        await super().shutdown(sockets)


def is_in_the_clear(config: ServeConfig) -> bool:
    """Whether the token can be read by whoever listens in on the network."""
    return config.token is not None and config.tls_cert is None and not is_loopback(config.host)


def listen(host: str, port: int) -> socket.socket:
    """Open the socket to serve on; port 0 takes a free one.

    Raises:
        OSError: if the address is not ours or in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_BYTES)
        listener.bind((host, port))
    except BaseException:
        listener.close()
        raise
    return listener


def check_certificate(
    certificate: FilePath | None, key: FilePath | None
) -> tuple[FilePath, FilePath | None] | None:
    """Check that files are a certificate and its key, before anything else is done.

    Returns:
        Both; None if there is no certificate.

    Raises:
        ConfigError: if they are not.
    """
    if certificate is None:
        return None
    shown = " and ".join(display_path(path) for path in (certificate, key) if path is not None)
    try:
        # An empty password, or OpenSSL would ask for one on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, lambda: "")
    except OSError as error:  # and SSLError is one
        reason = error.strerror or "they are damaged, of other kinds, or the key has a password"
        raise ConfigError(
            f"--tls-cert and --tls-key should be a certificate and its key, both PEM. {shown} "
            f"cannot be used: {reason}. Try: openssl x509 -noout -subject -in CERT"
        ) from error
    return certificate, key


def _listen(config: ServeConfig) -> socket.socket:
    try:
        return listen(config.host, config.port)
    except OSError as error:
        raise OutputError(
            f"Cannot listen on {config.host} port {config.port}: {error.strerror}. Choose "
            "another --port, or an address of this machine as --host."
        ) from error
