"""A graph as an ASGI application: HTTP around the one path that every face takes. It decides nothing about graphs."""

from graphkit.server.http.app import App, asgi_app

__all__ = ["App", "asgi_app"]
