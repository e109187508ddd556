"""The record in a browser on this machine: pages that parse, call ``app`` and show. No decision is taken here.

Invariant: the pages come from a process that lives no longer than the key agent allows (``worker``), at an address that only
the browser opened by ``amparo open`` knows (``guard``). Each works as plain HTML with forms; scripts only make it quicker.
"""
