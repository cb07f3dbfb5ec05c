"""A throw-away house for the demo and the end-to-end tests: a broker, Home Assistant, a release feed and boards.

Everything is real and listens on loopback only; everything ends with the context that started it, and with this
process should it be killed.
"""
