"""Who is told what, when, in which words, and what becomes of it. Pure."""
