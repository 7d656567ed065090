"""What the command path costs: it is measured against bare PostgreSQL and a bare handler, in pairs, on one machine."""
