"""Says something on several streams to an echo server, and prints what comes back.

echo_client.py HOST[:PORT] KEY [WORD...]"""
import sys

import jetplane


def main(server, key, *words):
    with jetplane.Socket(trust=jetplane.Trust.pin(key)).connect(server) as socket:
        streams = {socket.open(): word for word in words or ("hello", "world")}
        for stream, word in streams.items():
            socket.write(stream, word.encode(), timeout=5)
        for stream in streams:
            print(f"stream {stream}: {socket.read(stream, timeout=5).data.decode()}")
        socket.finish(timeout=5)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
