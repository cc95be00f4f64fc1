"""Contracts of other projects, as `upnext pull` brought them: kept in a file, and merged with this project's own."""
