"""How much a form or a response may ask of the server. What goes beyond gets a clear refusal in bounded time and memory."""

MAX_ITEMS = 10_000
"""Items of a form."""
MAX_DEPTH = 40
"""How deep items may be nested, in a form and so in its responses."""
MAX_FAULTS = 100
"""Faults and warnings of a form that are reported; a reader gets no more out of the next hundred."""
MAX_ISSUES = 200
"""Issues of a response that are reported."""
MAX_RESPONSE_ITEMS = 50_000
"""Items of a response, those in rows of repeating groups included."""
MAX_PATTERN = 1_000
"""Characters of one regular expression."""
MAX_PATTERNS = 200
"""Different regular expressions of one form."""
PATTERN_MEMORY = 1 << 19
"""Bytes that RE2 may use for one compiled regular expression."""
MAX_EXPRESSION = 10_000
"""Characters of one FHIRPath expression."""
MAX_EXPRESSIONS = 100_000
"""Characters of all FHIRPath expressions of one form together. Parsing takes about 2 microseconds a character."""
MAX_NESTING = 50
"""How deep parentheses, arguments and indexes of an expression may be nested."""
MAX_TEXT = 100_000
"""Characters that an expression may build into one text."""
EXPRESSION_FUEL = 100_000
"""Steps that all expressions of one check may take together: every node evaluated and every value produced is one, a microsecond
or less."""
CONDITION_FUEL = 1_000_000
"""Answers that all conditions of one check may look at together."""
MAX_EXPANSION = 20_000
"""Codes that are enumerated of one value set, and of all that one form contains together."""
