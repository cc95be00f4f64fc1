"""Metrics and traces, each with the library of its extra, which nothing else imports."""
