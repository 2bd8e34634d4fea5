"""Feeds: what is found, told to other systems.

Import from the modules: ``rfseg.feeds.messages`` makes the messages, ``rfseg.feeds.feed`` sends them.  A feed is an
encoding (what a message looks like), a transport (what carries it) and the delivery between them: a thread behind a
bounded buffer that connects anew when it must.  ZeroMQ and MQTT need ``pyzmq`` and ``paho-mqtt``; nothing else here
needs more than NumPy.
"""
