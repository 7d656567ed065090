"""GraphQL as it used to be, for clients on their way to REST: every query and mutation is the REST call that replaces it."""

from keepwell.domains.graphql.service import USES, GraphQLService

TALLIES = (USES,)
"""What this room counts."""

__all__ = ["TALLIES", "GraphQLService"]
