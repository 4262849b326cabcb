"""The ready services, one module or folder each, with a `make()` whose keywords are its options.

`jackfield.service.find()` gets them by name. Their handlers are functions and frozen
dataclasses, never closures, so that they can be sent to a process by reference.
"""
