"""Jetplane's library for Python: a thin layer over libjetplane by ctypes; nothing to compile.

Blocking sockets::

    with Server(identity=Identity(), addresses=["127.0.0.1:0"]) as server: ...
    with Socket(trust=Trust.pin(key)) as socket:
        socket.connect("198.18.0.1:4500")
        stream = socket.open()
        socket.write(stream, b"hello")
        print(socket.read(stream).data)

The event loop::

    loop = Loop()
    context = Context(loop, Events(), identity=Identity())  # Events: any of the methods of Handler
    listener = context.listen(["127.0.0.1:0"])
    loop.run()

The library is found as libjetplane.so.0, or where $JETPLANE_LIBRARY says. Times are in seconds, None is for ever.
Objects of a loop belong to the thread that made it; sockets and servers are for any thread.
"""

import ctypes
import operator
import os
from collections import namedtuple
from ctypes import (CFUNCTYPE, POINTER, Structure, byref, c_char, c_char_p, c_int, c_int64, c_size_t, c_uint, c_uint8,
                    c_uint16, c_uint32, c_uint64, c_void_p)

_lib = ctypes.CDLL(os.environ.get("JETPLANE_LIBRARY", "libjetplane.so.0"))

PORT = 4500
ANY = -1
SYSTEM, MEDIA, CHAT, BULK = 1, 2, 3, 4
RELIABLE, BEST_EFFORT, LIMITED = 0, 1, 2
PLAIN, LATENCY, EFFICIENT = 0, 1, 2
FINISHED, RESET, CLOSED = 1, 2, 3


# ---- the C structures, field by field ----

class _Address(Structure):
    _fields_ = [("family", c_uint8), ("unused", c_uint8), ("port", c_uint16), ("scope", c_uint32),
                ("bytes", c_uint8 * 16)]


class _Key(Structure):
    _fields_ = [("bytes", c_uint8 * 32)]


class _Message(Structure):
    _fields_ = [("sequence", c_uint64), ("in_order", c_uint8), ("compressed", c_uint8)]


class _Close(Structure):
    _fields_ = [("code", c_uint64), ("reason", c_char_p), ("by", c_uint8)]


class _Settings(Structure):
    _fields_ = [("size", c_size_t), ("identity", c_void_p), ("trust", c_void_p), ("congestion", c_char_p),
                ("ciphers", c_uint8 * 2), ("without_fec", c_uint8), ("without_tcp", c_uint8), ("max_packet", c_uint16), ("streams", c_uint32),
                ("idle_timeout", c_uint64), ("heartbeat", c_uint64), ("window", c_uint32), ("window_max", c_uint32),
                ("stream_window", c_uint32), ("stream_window_max", c_uint32), ("message_max", c_uint32),
                ("send_buffer", c_uint32), ("accept_rate", c_uint32), ("sessions_max", c_uint32),
                ("session_extension", c_size_t), ("stream_extension", c_size_t), ("keylog", c_char_p)]


class _StreamOptions(Structure):
    _fields_ = [("priority", c_uint8), ("reliability", c_uint8), ("max_retransmissions", c_uint8),
                ("unordered", c_uint8), ("protection", c_uint8), ("compress", c_uint8), ("early", c_uint8),
                ("ttl", c_uint64)]


class _Received(Structure):
    _fields_ = [("data", c_void_p), ("size", c_size_t), ("sequence", c_uint64), ("stream", c_uint32),
                ("end", c_uint8), ("in_order", c_uint8), ("compressed", c_uint8), ("unused", c_uint8)]


_callback_types = {
    "open": CFUNCTYPE(None, c_void_p),
    "connect_error": CFUNCTYPE(None, c_void_p, c_int),
    "close": CFUNCTYPE(None, c_void_p, POINTER(_Close)),
    "timeout": CFUNCTYPE(None, c_void_p),
    "stream_open": CFUNCTYPE(None, c_void_p),
    "message": CFUNCTYPE(None, c_void_p, c_void_p, c_size_t, POINTER(_Message)),
    "writable": CFUNCTYPE(None, c_void_p),
    "stream_close": CFUNCTYPE(None, c_void_p, c_int),
    "datagram": CFUNCTYPE(None, c_void_p, c_void_p, c_size_t),
    "datagram_writable": CFUNCTYPE(None, c_void_p),
    "path": CFUNCTYPE(None, c_void_p, c_uint, c_int),
    "resumption": CFUNCTYPE(None, c_void_p, c_void_p, c_size_t),
}


class _Callbacks(Structure):
    _fields_ = [("size", c_size_t)] + list(_callback_types.items())


# ---- the C functions: what they return unless it is an error code, and what they take ----

_p, _out = c_void_p, POINTER(c_void_p)
_functions = {
    "jp_error_text": (c_char_p, c_int), "jp_error_name": (c_char_p, c_int), "jp_error_detail": (c_char_p,),
    "jp_version": (c_char_p,), "jp_init": (c_int,), "jp_finish": (c_int,),
    "jp_address_parse": (c_int, POINTER(_Address), c_char_p, c_uint16),
    "jp_address_format": (c_int, POINTER(_Address), POINTER(c_char), c_size_t),
    "jp_key_parse": (c_int, POINTER(_Key), c_char_p), "jp_key_format": (None, POINTER(_Key), POINTER(c_char)),
    "jp_identity_open": (c_int, _out, c_char_p, c_int), "jp_identity_free": (None, _p),
    "jp_identity_key": (_Key, _p),
    "jp_trust_pin": (c_int, _out, POINTER(_Key)), "jp_trust_file": (c_int, _out, c_char_p, c_int),
    "jp_trust_free": (None, _p),
    "jp_loop_create": (c_int, _out, c_size_t), "jp_loop_free": (c_int, _p), "jp_loop_run": (c_int, _p),
    "jp_loop_run_once": (c_int, _p, c_int64), "jp_loop_stop": (None, _p), "jp_loop_fd": (c_int, _p),
    "jp_context_create": (c_int, _out, POINTER(_Callbacks), POINTER(_Settings), c_size_t),
    "jp_context_free": (c_int, _p),
    "jp_listener_create": (c_int, _out, _p, _p, POINTER(_Address), c_size_t, c_size_t),
    "jp_listener_free": (c_int, _p), "jp_listener_address": (_Address, _p, c_size_t),
    "jp_connect_resume": (c_int, _out, _p, _p, c_char_p, POINTER(_Address), c_uint64, c_char_p, c_size_t),
    "jp_session_is_resumed": (c_int, _p),
    "jp_session_close": (c_int, _p, c_uint64, c_char_p), "jp_session_finish": (c_int, _p),
    "jp_session_peer": (_Address, _p), "jp_session_key": (_Key, _p),
    "jp_session_set_timeout": (c_int, _p, c_uint64),
    "jp_session_send_datagram": (c_int, _p, c_char_p, c_size_t, c_int),
    "jp_stream_open": (c_int, _out, _p, c_int, POINTER(_StreamOptions)), "jp_stream_id": (c_uint, _p),
    "jp_stream_session": (_p, _p), "jp_stream_send": (c_int, _p, c_char_p, c_size_t),
    "jp_stream_finish": (c_int, _p), "jp_stream_reset": (c_int, _p), "jp_stream_pause": (c_int, _p),
    "jp_stream_resume": (c_int, _p), "jp_stream_pending": (c_size_t, _p),
    "jp_socket_create": (c_int, _out, POINTER(_Settings)), "jp_socket_free": (None, _p),
    "jp_socket_connect": (c_int, _p, c_char_p, c_int64),
    "jp_socket_bind": (c_int, _p, POINTER(_Address), c_size_t),
    "jp_socket_open": (c_int, _p, c_int, POINTER(_StreamOptions)),
    "jp_socket_write": (c_int, _p, c_uint, c_char_p, c_size_t, c_int64),
    "jp_socket_read": (c_int, _p, c_int, POINTER(POINTER(_Received)), c_int64),
    "jp_received_free": (None, POINTER(_Received)), "jp_socket_finish_stream": (c_int, _p, c_uint),
    "jp_socket_reset_stream": (c_int, _p, c_uint), "jp_socket_finish": (c_int, _p, c_int64),
    "jp_socket_close": (c_int, _p, c_uint64, c_char_p), "jp_socket_fd": (c_int, _p),
    "jp_socket_peer": (_Address, _p), "jp_socket_key": (_Key, _p),
    "jp_server_create": (c_int, _out, POINTER(_Settings)), "jp_server_free": (None, _p),
    "jp_server_listen": (c_int, _p, POINTER(_Address), c_size_t),
    "jp_server_address": (_Address, _p, c_size_t), "jp_server_accept": (c_int, _p, _out, c_int64),
    "jp_server_close": (c_int, _p), "jp_server_fd": (c_int, _p),
}


class Error(Exception):
    """A call of the library failed; `name` is that of the C constant, as JP_SEND_CLOSED."""

    def __init__(self, code, detail):
        self.code, self.name = code, _lib.jp_error_name(code).decode()
        super().__init__(f"{_lib.jp_error_text(code).decode()} ({detail})")


class WouldBlock(Error):
    """Nothing came, or nothing could be done, in time."""


def _check(result, _function, _arguments):
    if result >= 0:
        return result
    name = _lib.jp_error_name(result).decode()
    raise (WouldBlock if name.endswith("WOULD_BLOCK") else Error)(result, _lib.jp_error_detail().decode())


def _in_range(what, value, kind):
    """The integer, if this ctypes type has it: ctypes itself cuts what does not fit."""
    bits = 8 * ctypes.sizeof(kind)
    low, high = (-1 << bits - 1, (1 << bits - 1) - 1) if kind(-1).value < 0 else (0, (1 << bits) - 1)
    if not low <= operator.index(value) <= high:
        raise ValueError(f"{what} is {value}, want {low} to {high}")
    return value


def _checked(kind):
    """The type of an argument, without cutting."""
    class Checked:
        @staticmethod
        def from_param(value):
            return kind(_in_range("it", value, kind))
    return Checked


_integers = (c_int, c_int64, c_size_t, c_uint, c_uint8, c_uint16, c_uint32, c_uint64)
_checked_integers = {kind: _checked(kind) for kind in _integers}

for _name, (_result, *_arguments) in _functions.items():
    _function = getattr(_lib, _name)
    _function.restype, _function.argtypes = _result, [_checked_integers.get(kind, kind) for kind in _arguments]
    if _result is c_int:
        _function.errcheck = _check

_lib.jp_init()


# ---- small values ----

def _create(function, *arguments):
    pointer = c_void_p()
    function(byref(pointer), *arguments)
    return pointer.value


def _us(seconds):
    return -1 if seconds is None else int(seconds * 1e6)


def _addresses(texts):
    array = (_Address * len(texts))()
    for place, text in zip(array, texts):
        _lib.jp_address_parse(byref(place), text.encode(), PORT)
    return array


def _address_text(address):
    text = ctypes.create_string_buffer(72)
    if address.family:
        _lib.jp_address_format(byref(address), text, len(text))
    return text.value.decode()


def _key_text(key):
    text = ctypes.create_string_buffer(65)
    _lib.jp_key_format(byref(key), text)
    return text.value.decode()


def _set(structure, what, **values):
    """Set fields by name."""
    kinds = dict(structure._fields_)
    for name, value in values.items():
        kind = kinds.get(name)
        if not kind:
            raise TypeError(f"there is no {what} '{name}'")
        if kind in _integers:
            _in_range(name, value, kind)
        elif issubclass(kind, ctypes.Array):
            value = kind(*(_in_range(name, element, kind._type_) for element in value))
        setattr(structure, name, value)
    return structure


def _settings(identity=None, trust=None, congestion=None, **others):
    """Those of jp_settings, by name."""
    settings = _Settings(ctypes.sizeof(_Settings), identity and identity._handle, trust and trust._handle,
                         congestion and congestion.encode())
    return _set(settings, "setting", **others)


def _options(**options):
    """Those of jp_stream_options, by name; ttl in seconds."""
    options["ttl"] = int(options.get("ttl", 0) * 1e6)
    return byref(_set(_StreamOptions(), "option", **options))


class _Owned:
    """What is freed by `close`, `with`, or at the end of its life."""
    _handle = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        try:
            self.close()
        except (Error, TypeError):  # something still uses it, or Python is being taken down
            pass


class Identity(_Owned):
    """A server's key pair: of a file, made if missing, or a new one in memory."""

    def __init__(self, path=None, create=True):
        self._handle = _create(_lib.jp_identity_open, path and os.fsencode(path), create)

    @property
    def key(self):
        return _key_text(_lib.jp_identity_key(self._handle))

    def close(self):
        handle, self._handle = self._handle, None
        _lib.jp_identity_free(handle)


class Trust(_Owned):
    """Whom a client believes."""

    def __init__(self, handle):
        self._handle = handle

    @classmethod
    def pin(cls, key):
        binary = _Key()
        _lib.jp_key_parse(byref(binary), key.encode())
        return cls(_create(_lib.jp_trust_pin, byref(binary)))

    @classmethod
    def file(cls, path, add_unknown=False):
        return cls(_create(_lib.jp_trust_file, os.fsencode(path), add_unknown))

    def close(self):
        handle, self._handle = self._handle, None
        _lib.jp_trust_free(handle)


# ---- blocking sockets ----

Received = namedtuple("Received", "data stream sequence end in_order compressed")


class Socket(_Owned):
    """A session whose functions wait. Settings as in jp_settings, by name."""

    def __init__(self, handle=None, bind=(), **settings):
        self._handle = handle or _create(_lib.jp_socket_create, byref(_settings(**settings)))
        if bind:
            _lib.jp_socket_bind(self._handle, _addresses(bind), len(bind))

    def connect(self, server, timeout=5):
        _lib.jp_socket_connect(self._handle, server.encode(), _us(timeout))
        return self

    def open(self, stream=ANY, **options):
        """Open a stream; returns its id. Options as in jp_stream_options."""
        return _lib.jp_socket_open(self._handle, stream, _options(**options))

    def write(self, stream, data, timeout=None):
        """Send a message: the bytes of any buffer."""
        data = bytes(data)
        _lib.jp_socket_write(self._handle, stream, data, len(data), _us(timeout))

    def read(self, stream=ANY, timeout=None):
        """The next message, or the end of a stream (`end` is FINISHED or RESET)."""
        pointer = POINTER(_Received)()
        _lib.jp_socket_read(self._handle, stream, byref(pointer), _us(timeout))
        r = pointer.contents
        received = Received(ctypes.string_at(r.data, r.size) if r.size else b"", r.stream, r.sequence, r.end, bool(r.in_order),
                            bool(r.compressed))
        _lib.jp_received_free(pointer)
        return received

    def finish_stream(self, stream):
        _lib.jp_socket_finish_stream(self._handle, stream)

    def reset_stream(self, stream):
        _lib.jp_socket_reset_stream(self._handle, stream)

    def finish(self, timeout=None):
        """Wait until all is acknowledged, and end the session."""
        _lib.jp_socket_finish(self._handle, _us(timeout))

    def end(self, code=0, reason=""):
        """End the session now; what came before can still be read."""
        _lib.jp_socket_close(self._handle, code, reason.encode())

    def fileno(self):
        return _lib.jp_socket_fd(self._handle)

    @property
    def peer(self):
        return _address_text(_lib.jp_socket_peer(self._handle))

    @property
    def key(self):
        return _key_text(_lib.jp_socket_key(self._handle))

    def close(self):
        handle, self._handle = self._handle, None
        _lib.jp_socket_free(handle)


class Server(_Owned):
    """Waits for sessions."""

    def __init__(self, addresses, **settings):
        self._handle = _create(_lib.jp_server_create, byref(_settings(**settings)))
        _lib.jp_server_listen(self._handle, _addresses(addresses), len(addresses))

    def address(self, index=0):
        return _address_text(_lib.jp_server_address(self._handle, index))

    def accept(self, timeout=None):
        pointer = c_void_p()
        _lib.jp_server_accept(self._handle, byref(pointer), _us(timeout))
        return Socket(pointer.value)

    def fileno(self):
        return _lib.jp_server_fd(self._handle)

    def end(self):
        """Accept no more; those who wait in accept are told."""
        _lib.jp_server_close(self._handle)

    def close(self):
        handle, self._handle = self._handle, None
        _lib.jp_server_free(handle)


# ---- the event loop ----

class Handler:
    """What a context may be told: any of these methods; the others may be left out."""

    def open(self, session): ...
    def connect_error(self, session, error): ...
    def close(self, session, code, reason): ...
    def timeout(self, session): ...
    def stream_open(self, stream): ...
    def message(self, stream, data): ...
    def writable(self, stream): ...
    def stream_close(self, stream, how): ...
    def datagram(self, session, data): ...
    def datagram_writable(self, session): ...
    def path(self, session, path, event): ...
    def resumption(self, session, data): ...


class Loop(_Owned):
    """An exception of a handler ends the run it happens in, which raises it."""

    def __init__(self):
        self._handle, self._raised = _create(_lib.jp_loop_create, 0), None

    def _done(self, result):
        raised, self._raised = self._raised, None
        if raised:
            raise raised
        return result

    def run(self):
        self._done(_lib.jp_loop_run(self._handle))

    def run_once(self, timeout=None):
        """Until something was called, or the time is up; returns how much was called."""
        return self._done(_lib.jp_loop_run_once(self._handle, _us(timeout)))

    def stop(self):
        """From any thread."""
        _lib.jp_loop_stop(self._handle)

    def fileno(self):
        return _lib.jp_loop_fd(self._handle)

    def close(self):
        if self._handle:
            _lib.jp_loop_free(self._handle)
        self._handle = None


class Stream:
    """Of a session; not to be used after its last stream_close, or its session's close."""

    def __init__(self, session, handle):
        self.session, self._handle, self.id = session, handle, _lib.jp_stream_id(handle)

    def send(self, data):
        """WouldBlock: `writable` will be called."""
        data = bytes(data)
        _lib.jp_stream_send(self._handle, data, len(data))

    def finish(self):
        _lib.jp_stream_finish(self._handle)

    def reset(self):
        _lib.jp_stream_reset(self._handle)

    def pause(self):
        _lib.jp_stream_pause(self._handle)

    def resume(self):
        _lib.jp_stream_resume(self._handle)

    @property
    def pending(self):
        return _lib.jp_stream_pending(self._handle)


class Session:
    """Not to be used after close or connect_error."""

    def __init__(self, context, loop, handle):
        self.context, self.loop, self._handle, self._streams = context, loop, handle, {}

    def _stream(self, handle):
        if handle not in self._streams:
            self._streams[handle] = Stream(self, handle)
        return self._streams[handle]

    def open_stream(self, stream=ANY, **options):
        return self._stream(_create(_lib.jp_stream_open, self._handle, stream, _options(**options)))

    @property
    def resumed(self):
        return bool(_lib.jp_session_is_resumed(self._handle))

    def send_datagram(self, data, priority=0):
        data = bytes(data)
        _lib.jp_session_send_datagram(self._handle, data, len(data), priority)

    def set_timeout(self, seconds):
        _lib.jp_session_set_timeout(self._handle, _us(seconds))

    def finish(self):
        _lib.jp_session_finish(self._handle)

    def end(self, code=0, reason=""):
        _lib.jp_session_close(self._handle, code, reason.encode())

    @property
    def peer(self):
        return _address_text(_lib.jp_session_peer(self._handle))

    @property
    def key(self):
        return _key_text(_lib.jp_session_key(self._handle))


class Context(_Owned):
    """How the sessions of one loop behave, and the handler that is told what happens to them."""

    def __init__(self, loop, handler, **settings):
        self.loop, self._handler, self._sessions = loop, handler, {}
        callbacks = _Callbacks(ctypes.sizeof(_Callbacks))
        self._callbacks = callbacks  # the library copies the pointers, we keep what they point to
        for name, kind in _callback_types.items():
            setattr(callbacks, name, kind(self._guarded(getattr(self, "_on_" + name))))
        self._handle = _create(_lib.jp_context_create, byref(callbacks), byref(_settings(**settings)), 0)

    def _guarded(self, function):
        def call(*arguments):
            try:
                function(*arguments)
            except BaseException as error:  # it must not get lost in C
                self.loop._raised = self.loop._raised or error
                self.loop.stop()
        return call

    def _session(self, handle):
        if handle not in self._sessions:
            self._sessions[handle] = Session(self, self.loop, handle)
        return self._sessions[handle]

    def _stream(self, handle):
        return self._session(_lib.jp_stream_session(handle))._stream(handle)

    def _tell(self, name, *arguments):
        if method := getattr(self._handler, name, None):
            method(*arguments)

    def _on_open(self, session):
        self._tell("open", self._session(session))

    def _on_connect_error(self, session, code):
        error = Error(code, _lib.jp_error_detail().decode())
        self._tell("connect_error", self._sessions.pop(session), error)

    def _on_close(self, session, close):
        reason = close.contents.reason.decode(errors="replace")
        self._tell("close", self._sessions.pop(session), close.contents.code, reason)

    def _on_timeout(self, session):
        self._tell("timeout", self._session(session))

    def _on_stream_open(self, stream):
        self._tell("stream_open", self._stream(stream))

    def _on_message(self, stream, data, size, _message):
        self._tell("message", self._stream(stream), ctypes.string_at(data, size) if size else b"")

    def _on_writable(self, stream):
        self._tell("writable", self._stream(stream))

    def _on_stream_close(self, handle, how):
        stream = self._stream(handle)
        if how == CLOSED:
            del stream.session._streams[handle]
        self._tell("stream_close", stream, how)

    def _on_datagram(self, session, data, size):
        self._tell("datagram", self._session(session), ctypes.string_at(data, size) if size else b"")

    def _on_datagram_writable(self, session):
        self._tell("datagram_writable", self._session(session))

    def _on_path(self, session, path, event):
        self._tell("path", self._session(session), path, event)

    def _on_resumption(self, session, data, size):
        self._tell("resumption", self._session(session), ctypes.string_at(data, size))

    def connect(self, server, local=None, timeout=5, resumption=b""):
        """Ask for a session; `open` or `connect_error` tells what became of it. With what `resumption` got in an earlier
        session streams may be opened at once, with early=1."""
        address = byref(_addresses([local])[0]) if local else None
        return self._session(_create(_lib.jp_connect_resume, self.loop._handle, self._handle, server.encode(), address,
                                     _us(timeout), resumption or None, len(resumption)))

    def listen(self, addresses):
        return Listener(self, addresses)

    def close(self):
        if self._handle:
            _lib.jp_context_free(self._handle)
        self._handle = None


class Listener(_Owned):
    def __init__(self, context, addresses):
        self._handle = _create(_lib.jp_listener_create, context.loop._handle, context._handle, _addresses(addresses),
                               len(addresses), 0)

    def address(self, index=0):
        return _address_text(_lib.jp_listener_address(self._handle, index))

    def close(self):
        handle, self._handle = self._handle, None
        if handle:
            _lib.jp_listener_free(handle)
