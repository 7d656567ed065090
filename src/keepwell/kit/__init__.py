"""Pure helpers: time, ids, text. Imports nothing of ours and does no input or output."""
