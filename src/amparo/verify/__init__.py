"""Same person? contradiction? corroboration? Claims in, claims about claims out; nothing here decides for a reader."""
