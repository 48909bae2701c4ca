"""What commands are made of: groups, options, parameter types, record commands, completion."""
