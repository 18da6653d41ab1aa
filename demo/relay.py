"""Relay TCP connections to the proxy of a fault while it listens, otherwise to the service.

    python demo/relay.py LISTEN_PORT FAULT_PORT SERVICE_PORT

The explicit proxy of a fault listens only while the fault is armed. A shop without privileges
sends its calls to this relay, so that they also work before and after the fault. All ports are on
127.0.0.1.
"""

import asyncio
import contextlib
import sys

HOST = "127.0.0.1"
CHUNK_BYTES = 65536


async def main(listen_port: int, fault_port: int, service_port: int) -> None:
    """Relay until the process is stopped."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):  # the client or the service has closed its connection
            up_reader, up_writer = await _connect(fault_port, service_port)
            await asyncio.gather(_pump(reader, up_writer), _pump(up_reader, writer))
        writer.close()

    server = await asyncio.start_server(serve, HOST, listen_port)
    async with server:
        await server.serve_forever()


async def _connect(*ports: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first port that has a listener."""
    for port in ports[:-1]:
        with contextlib.suppress(ConnectionRefusedError):
            return await asyncio.open_connection(HOST, port)
    return await asyncio.open_connection(HOST, ports[-1])


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()


if __name__ == "__main__":
    asyncio.run(main(*(int(port) for port in sys.argv[1:4])))
