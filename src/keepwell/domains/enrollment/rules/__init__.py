"""The rules of enrollment: the life of a batch, what a part remembers, what a row means. Pure."""
