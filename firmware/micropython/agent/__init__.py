"""MQTT OTA for MicroPython: lets Home Assistant replace the files of an application, all of them or none.

Copy this one file to the board. `example_main.py` shows its use, `README.md` says what it does and what it cannot do,
`../PROTOCOL.md` is the contract with Home Assistant.
"""
