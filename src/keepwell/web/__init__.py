"""Pages made on the server: readable without scripts, and with nothing in them that is not of this server."""
