#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the bands that a ZeroMQ feed publishes: ``band_consumer.py [tcp://HOST:PORT]``.  Needs nothing of rfseg."""

import json
import sys

import zmq

socket = zmq.Context.instance().socket(zmq.SUB)
socket.connect(sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5556")
socket.subscribe("rfseg/")  # all of it: sequence counts the messages of every kind
expected = None
while True:
    message = json.loads(socket.recv_multipart()[1])
    if expected is not None and message["sequence"] > expected:  # less: the receiver has begun anew
        print(f"{message['sequence'] - expected} messages lost", flush=True)
    expected = message["sequence"] + 1
    for band in message["bands"] if message["type"] == "bands" else ():
        edges = f"{band['freq_lower_edge'] / 1e6:10.3f} to {band['freq_upper_edge'] / 1e6:10.3f} MHz"
        print(f"{band['sample_start']:>12} {band['label']:<8} {edges}  {band['confidence']:.2f}", flush=True)
