"""Contracts of other projects, fetched by `upnext pull`, kept in a file and merged with the project's own."""
