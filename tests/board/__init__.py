"""A native board as a program: what `firmware/PROTOCOL.md` asks of a board, with faults on demand.

    python -m tests.board --broker HOST:PORT --id ID --state FOLDER [option ...] [--fault NAME[=N] ...]

It plays any board that speaks the native protocol. Its two slots and its resume record are files in FOLDER: it can be
killed at any moment and goes on from there when it is started again (as on an ESP32, the boot loader goes back to the
old image when a new one ends before it has confirmed itself). A program that takes its place (the C++ core on a
PC) takes the same options, prints the same lines and passes `tests/board/test_board.py`.

What it is, all told in its announce (defaults in parentheses):
    --name TEXT (the id)   --model TEXT ()   --chip TEXT (ESP32)   --project TEXT ()   --mac TEXT (made from the id)
    --version TEXT (1.0.0): what it runs while its slots are empty; after that the app descriptor of its image says it
    --slot-size BYTES (4194304)   --block-size BYTES (4096)   --window BLOCKS (8)   --order any|sequential (any)
    --encodings raw,deflate (both)   --transports blocks,http,https (blocks,http)
    --public-key TEXT|FILE: PEM, or base64 of the point; it then takes signed images only; may be given again
    --counter N (0)   --feed URL ()   --wake-interval S (0: always awake)
Where and how it lives:
    --root TOPIC (mqtt_ota)   --user NAME   --password TEXT
    --rate KB_PER_S (0: no limit): models how fast its flash takes data
    --reboot-time S (0.3)   --sleep-time S (1): how long the fault falls_asleep lasts
    --awake-time S (2): how long a board with a wake interval listens   --ask-timeout S (1): silence until it asks again
    --give-up S (300): silence until a transfer fails

Faults, each at most once on the command line:
    lose=N                 drops one in N frames that it receives, by chance but the same ones in each run
    repeat                 takes every frame twice
    reorder                swaps every two frames
    corrupt                one frame arrives with a flipped byte
    drops_large=N          frames above N bytes never arrive
    power_cut=BYTE         loses its power in the write that reaches this byte
    falls_asleep=BYTE      falls asleep when it holds this many bytes
    wrong_digest           its flash reads back a wrong byte
    comes_back_old         the new image does not boot: it is back with the old one, and says so
    comes_back_old_silent  the same, but it says nothing
    fails_self_test        the new image boots, finds itself unfit and goes back
    never_confirms         the new image stays pending
    never_comes_back       it restarts into nothing
    silent                 it hears no offer
    dies_on_url            no URL can be fetched

Inside a test it is `tests.board.board.Board`, with `tests.board.settings.Settings` and `tests.board.faults.Faults`.

It ends on SIGTERM, saying `offline`. Each event is one line on stdout, a JSON object with `event` and:
    started     version, pending: power came (at the start, after each restart)
    connected   the broker took it
    announced   version, pending
    offer       session, transport: an offer was understood
    dropped     cause: a message was none
    state       session, state, held, reason, block_size: it said a status (`block_size` is what it asks with)
    restart     cause (update, power_cut, self_test, sleep), seconds: it is gone for so long; null: for ever
    disconnected, stopped
"""
