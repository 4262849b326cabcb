"""The board: named services that share one store and one set of people, on one machine."""
