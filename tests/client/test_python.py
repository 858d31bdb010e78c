"""The Python binding: echoes on several streams, blocking and on the loop, in one process and between two.

test_python.py libjetplane.so folder-of-jetplane.py [echo_server]"""
import ctypes
import os
import subprocess
import sys
import threading
import unittest
from array import array

os.environ["JETPLANE_LIBRARY"] = sys.argv[1]
sys.path.insert(0, sys.argv[2])
import jetplane  # noqa: E402

STREAMS, MESSAGES = 5, 20


def echo_all(socket):
    try:
        while True:
            received = socket.read()
            if not received.end:
                socket.write(received.stream, received.data)
    except jetplane.Error as error:
        assert error.name == "JP_RECEIVE_CLOSED", error


class Blocking(unittest.TestCase):
    def setUp(self):
        self.identity = jetplane.Identity()
        self.server = jetplane.Server(["127.0.0.1:0"], identity=self.identity)
        self.socket = jetplane.Socket(trust=jetplane.Trust.pin(self.identity.key)).connect(self.server.address())
        self.accepted = self.server.accept(timeout=10)

    def tearDown(self):
        for thing in (self.socket, self.accepted, self.server):
            thing.close()

    def test_echoes_on_several_streams(self):
        thread = threading.Thread(target=echo_all, args=(self.accepted,))
        thread.start()
        streams = [self.socket.open(priority=jetplane.SYSTEM) for _ in range(STREAMS)]
        for n in range(MESSAGES):
            for stream in streams:
                self.socket.write(stream, b"%d of %d" % (n, stream), timeout=10)
        for stream in streams:
            for n in range(MESSAGES):
                received = self.socket.read(stream, timeout=10)
                self.assertEqual((received.data, received.sequence), (b"%d of %d" % (n, stream), n))
        self.socket.end(300, "done")
        thread.join()

    def test_sends_all_bytes_of_a_buffer(self):
        stream, numbers = self.socket.open(), array("I", [1, 2, 3])
        for data in numbers, memoryview(numbers), bytearray(b"abc"):
            self.socket.write(stream, data, timeout=10)
            self.assertEqual(self.accepted.read(stream, timeout=10).data, bytes(data))

    def test_cuts_no_numbers(self):
        for settings in {"max_packet": 67008}, {"streams": -1}, {"ciphers": (256, 0)}, {"idle_timeout": 1 << 64}:
            with self.assertRaisesRegex(ValueError, "want 0 to"):
                jetplane.Socket(**settings)
        with self.assertRaisesRegex(ValueError, "priority is 257, want 0 to 255"):
            self.socket.open(priority=257)
        with self.assertRaisesRegex(TypeError, "no option 'color'"):
            self.socket.open(color=1)
        stream = self.socket.open()
        with self.assertRaisesRegex(ctypes.ArgumentError, "want 0 to 4294967295"):
            self.socket.write(stream + (1 << 32), b"x")
        with self.assertRaises(jetplane.Error) as caught:
            self.socket.end(1 << 62)
        self.assertEqual(caught.exception.name, "JP_INVALID")

    def test_says_what_goes_wrong(self):
        self.assertEqual(self.socket.key, self.identity.key)
        with self.assertRaises(jetplane.WouldBlock):
            self.socket.read(timeout=0.01)
        with self.assertRaisesRegex(jetplane.Error, "stream 77 is not open"):
            self.socket.write(77, b"x", timeout=1)
        with self.assertRaisesRegex(TypeError, "nonsense"):
            jetplane.Socket(nonsense=1)
        with self.assertRaises(jetplane.Error) as caught:
            jetplane.Socket(trust=jetplane.Trust.pin("00" * 32)).connect(self.server.address())
        self.assertEqual(caught.exception.name, "JP_CONNECT_IDENTITY")


class Echo(jetplane.Handler):
    def message(self, stream, data):
        stream.send(data)

    def datagram(self, session, data):
        session.send_datagram(data)


class Client(jetplane.Handler):
    def __init__(self):
        self.got, self.error, self.over = {}, None, False

    def open(self, session):
        for i in range(STREAMS):
            stream = session.open_stream()
            for n in range(MESSAGES):
                stream.send(b"%d" % n)

    def message(self, stream, data):
        self.got.setdefault(stream.id, []).append(int(data))
        if sum(map(len, self.got.values())) == STREAMS * MESSAGES:
            stream.session.end(300, "done")

    def connect_error(self, session, error):
        self.error = error
        session.loop.stop()

    def close(self, session, code, reason):
        self.over = True
        session.loop.stop()


class OnTheLoop(unittest.TestCase):
    def setUp(self):
        self.loop = jetplane.Loop()
        self.identity = jetplane.Identity()

    def test_echoes_on_several_streams(self):
        client = Client()
        context = jetplane.Context(self.loop, Echo(), identity=self.identity)
        mine = jetplane.Context(self.loop, client, trust=jetplane.Trust.pin(self.identity.key))
        listener = context.listen(["127.0.0.1:0"])
        mine.connect(listener.address())
        self.loop.run()
        self.assertTrue(client.over)
        self.assertEqual(list(client.got.values()), [list(range(MESSAGES))] * STREAMS)
        listener.close()

    def test_raises_what_a_handler_raises(self):
        class Failing(jetplane.Handler):
            def connect_error(self, session, error):
                raise error

        context = jetplane.Context(self.loop, Failing(), trust=jetplane.Trust.pin(self.identity.key))
        context.connect("127.0.0.1:9", timeout=0.05)
        with self.assertRaises(jetplane.Error) as caught:
            self.loop.run()
        self.assertEqual(caught.exception.name, "JP_CONNECT_TIMEOUT")


@unittest.skipIf(len(sys.argv) < 4, "no echo server given")
class OtherProcess(unittest.TestCase):
    def test_example_talks_to_echo_server(self):
        key = f"/tmp/jetplane-test-{os.getpid()}.key"
        server = subprocess.Popen([sys.argv[3], "127.0.0.1:0", key], stdout=subprocess.PIPE, text=True)
        try:
            address, public = server.stdout.readline().split()
            example = os.path.join(sys.argv[2], "echo_client.py")
            said = subprocess.run([sys.executable, example, address, public, "one", "two"], timeout=20, check=True,
                                  stdout=subprocess.PIPE, text=True).stdout
        finally:
            server.kill()
            server.wait()
            server.stdout.close()
            os.unlink(key)
        self.assertEqual([line.split(": ")[1] for line in said.splitlines()], ["one", "two"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
