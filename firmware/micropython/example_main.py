"""main.py of a board that Home Assistant keeps up to date. Copy it to the board as `main.py`, beside `mqtt_ota.py`.

These two, and `boot.py`, never change over the air: they are what repairs the rest. Your application is `app.py` with
`async def main(agent)`, and whatever it imports; that is what releases bring.

What differs from board to board stays in `settings.json`, which no release touches:

    {
      "id": "kitchen-relay",        1 to 64 of A-Z a-z 0-9 _ . -, another one for each board
      "broker": "homeassistant.local", "user": "kitchen-relay", "password": "...",
      "wifi": ["network", "password"],
      "model": "relay",             releases for another model are refused
      "version": "1.0.0",           what you copied by hand; later the releases say it
      "ca": "ca.der",               with it the connection is TLS: the certificate authority that signed your broker's
                                    certificate, as a file on the board. Its name must be the one in "broker", and the
                                    board must know the time of day (ntptime.settime()) to judge its dates
      "keys": ["BGmj..."]           with it only releases signed by one of these keys are taken
    }

A new release is on trial: it is confirmed when the application has run for TRIAL seconds and Home Assistant is reached.
If the application raises before that, if the board starts three times without getting there, or if it runs for five
minutes without, the files from before come back, and Home Assistant says so. A program that hangs needs a watchdog to
start the board again: see below.
"""

import asyncio
import json
import sys
import time

import mqtt_ota

TRIAL = 10  # seconds

with open("settings.json") as file:
    settings = json.load(file)

started_at = None


def self_test():
    """Tell whether a release on trial does its work: True, False, or None for not yet. Ask your sensors here."""
    if started_at is None:
        return None
    return True if time.ticks_diff(time.ticks_ms(), started_at) >= 1000 * settings.get("trial", TRIAL) else None


def connect_wifi(name, password):
    """Join the network; the board joins again by itself when it was lost."""
    import network

    station = network.WLAN(network.STA_IF)
    station.active(True)
    for _ in range(3):
        try:
            station.connect(name, password)
            break
        except OSError as err:  # it may be joining still, from before the restart
            sys.print_exception(err)
            time.sleep_ms(1000)
    for _ in range(60):
        if station.isconnected():
            return
        time.sleep_ms(500)
    # No matter: the agent tries again for as long as it takes.


def read_certificate():
    """Return the certificate authority's certificate, None for a connection without TLS."""
    if "ca" not in settings:
        return None
    with open(settings["ca"], "rb") as file:
        return file.read()


# Before the application is imported: this is when new files are put in place, or taken back.
agent = mqtt_ota.Agent(
    settings["id"],
    settings["broker"],
    port=settings.get("port"),
    user=settings.get("user"),
    password=settings.get("password"),
    ca=read_certificate(),
    name=settings.get("name", ""),
    model=settings.get("model", ""),
    version=settings.get("version", "0.0.0"),
    keys=settings.get("keys", ()),
    slot_size=settings.get("slot_size", 256 * 1024),
    folder=settings.get("folder", "/"),
    self_test=self_test,
    on_event=print,
)


async def main():
    """Run the application beside the agent."""
    global started_at
    if "wifi" in settings:
        connect_wifi(*settings["wifi"])
    # For an application that may hang: a machine.WDT, fed in a task of its own for as long as all is well.
    updates = asyncio.create_task(agent.run())
    try:
        import app

        started_at = time.ticks_ms()
        await app.main(agent)
    except Exception as err:  # whatever it is, the board must stay within reach
        sys.print_exception(err)
        agent.roll_back()  # only if it is on trial
    await updates


asyncio.run(main())
