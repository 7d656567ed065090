"""Where Alembic meets a connection. Only `keepwell.platform.migrations` runs it: `keepwell db migrate` and its siblings."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
