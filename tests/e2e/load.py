"""Traffic for tests: clients that send numbered messages in turn and note what comes back."""

import time

import jetwire as w


class Load:
    def __init__(self, plane, clients, versions=(6, 4)):
        self.sessions = [plane.session(versions[i % 2], suites=(1 + i % 2,)) for i in range(clients)]
        self.sent = [0] * clients

    def run(self, seconds, pause=0.002):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for i, session in enumerate(self.sessions):
                session.send(w.stream_frame(1, self.sent[i], b"message %d" % self.sent[i]))
                self.sent[i] += 1
                while session.poll(0):
                    pass
            time.sleep(pause)

    def check(self):
        """Everything that was sent has come back, once, in order."""
        assert min(self.sent) > 20
        for session, sent in zip(self.sessions, self.sent):
            session.collect(sent, 3)
            assert [fields["data"] for _, fields in session.received] == [b"message %d" % i for i in range(sent)]
