"""The server, its pages and their static files."""
