"""Building blocks of commands: groups, options, parameter types, record commands, completion."""
