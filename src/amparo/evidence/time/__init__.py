"""Trusted time: what is stamped (``merkle``), by whom (``queue``, ``wire``), in which chain of blocks (``ots``, ``headers``),
and when it must be stamped again (``renewal``). Nothing here holds a key or knows a name.
"""
