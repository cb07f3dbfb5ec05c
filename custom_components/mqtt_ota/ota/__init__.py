"""What is known about firmware, boards and their updates: pure Python, no Home Assistant, no clock, no I/O."""
