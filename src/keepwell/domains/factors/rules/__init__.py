"""How factors and policies change, and how codes are checked. Pure."""
