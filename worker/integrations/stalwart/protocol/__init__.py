"""JMAP: requests shared by threads, checked answers, errors as faults, facts about the server, its zone text."""
