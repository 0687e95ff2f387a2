"""The doors: WebSockets, HTTP, pages, health."""
