"""Sends every connection of a benchmark to one server, whatever host was asked for."""

import os

HOST, PORT = os.environ["UPSTREAM"].rsplit(":", 1)


def server_connect(data):
    data.server.address = (HOST, int(PORT))
