jetgen.open{sessions=1000, suite='chacha20-poly1305', fec={20, 4}, streams=9, inflight=7, rate=2.5, idle_timeout=60,
  fec_flush_us=9000, fec_expire_us=9000, loss=0.25}
local r = jetgen.run{seconds=1.5, messages=1e6, rate=0, window=100, train=20, datagrams=0.5, rekey_every=500, drain=2,
  loss=0.1, loss_rx=0.2, duplicate=0.3, corrupt=0.4, replay=0.5, forge=0.6, gilbert={enter=0.01, exit=0.2, loss=0.9},
  burst={every=50, length=4}, reorder={p=0.1, distance=5, timeout_ms=9}, sizes={{64, 7}, {576, 4}, {1400, 1}},
  garbage={random=0.1, truncated=0.2, wrong_spi=0.3, hello=0.4, headers=0.5}}
jetgen.flood{rate=1e5, seconds=3, sources=12, valid=true}
assert(r.delivered == 1 and r.mpps == 0)
jetgen.close()
