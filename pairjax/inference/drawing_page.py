"""The page of launch/demo.py: a local server on which a person draws two digits.

Gradio serves it. A content security policy and switched-off analytics keep every request, of the
browser and of this process, on this machine.
"""

import html
import os
import socket
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

from pairjax.errors import UserError

LOOPBACK = '127.0.0.1'
# Gradio's own page needs inline scripts, and makes functions of the text of others.
_POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'none'"


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes any free one.

    Raises: UserError where the port is in use or may not be used.
    """
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise UserError(
            f'--port={port} on {host} cannot be used ({error.strerror or error}); name another '
            '--port, or 0 for any free one'
        ) from None
    return listening


def make_page(answer: Callable[[Any], str], hosts: Sequence[str] = (LOOPBACK, 'localhost')) -> Any:
    """The web application.

    Args:
      answer: HTML for two drawings, see `drawn_digits.answer_drawings`.
      hosts: the names under which a browser may ask for it, '*' for any.

    Raises: UserError where gradio is not installed.
    """
    # Read when gradio is imported.
    os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
    os.environ['HF_HUB_DISABLE_TELEMETRY'] = '1'
    try:
        import gradio
        from fastapi import FastAPI
        from starlette.middleware.trustedhost import TrustedHostMiddleware
    except ImportError as error:
        raise UserError(
            f"the page needs gradio ({error}); install it with pip install -e '.[demo]'"
        ) from None
    with gradio.Blocks(title='pairjax: draw two digits', analytics_enabled=False) as blocks:
        gradio.HTML(
            html_template=_template('drawing.html'),
            css_template=_template('drawing.css'),
            js_on_load=_template('drawing.js'),
            apply_default_css=False,
            server_functions=[_for_the_page(answer)],
        )
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))

    @app.middleware('http')
    async def add_policy(request: Any, call_next: Callable) -> Any:
        response = await call_next(request)
        response.headers['Content-Security-Policy'] = _POLICY
        response.headers['Referrer-Policy'] = 'no-referrer'
        return response

    # The default theme has fonts of its own; the system's are there already.
    fonts = {'font': ['system-ui', 'sans-serif'], 'font_mono': ['monospace']}
    return gradio.mount_gradio_app(
        app,
        blocks,
        path='/',
        theme=gradio.themes.Default(**fonts),
        footer_links=[],
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
    )


def serve(app: Any, listening: socket.socket) -> None:
    """Serves the application until Ctrl-C."""
    import uvicorn

    uvicorn.Server(uvicorn.Config(app, log_level='warning')).run(sockets=[listening])


def _for_the_page(function: Callable[[Any], str]) -> Callable[[Any], str]:
    """The function under the name by which drawing.js calls it."""

    def answer(drawings: Any) -> str:
        try:
            return function(drawings)
        except UserError as error:
            return f'<p>{html.escape(str(error))}</p>'

    return answer


def _template(name: str) -> str:
    return (files('pairjax.inference') / 'templates' / name).read_text(encoding='utf-8')
