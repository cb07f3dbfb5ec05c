"""The MicroPython agent, on the real Unix port of MicroPython."""
