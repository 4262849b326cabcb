"""Whether a host is there: who answers, how fast, how many are lost, and who says why."""
