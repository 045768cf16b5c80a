"""A load of everything that the bridge does, in rounds that are all alike.

Each job is an async function, Trio side, that leaves nothing behind and checks what it gets.
"""
