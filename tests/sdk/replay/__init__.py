"""Recorded traffic of real providers, replayed through the gateway: `python -m replay CORPUS`.

The corpus and its tools stay where they are; nothing of them is copied. Its upstream plays recordings back and writes
down what it was sent. Here are the clients, and the judges of both ends: what the provider got is what the client sent but
for the edits that the gateway declares, and what the client got is the recording, byte for byte.
"""
