"""A namespace as pages for a browser, with the libraries of an extra that nothing else imports."""
