"""HTTP: the API, the governed scan, the web pages."""
